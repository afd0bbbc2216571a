-- Removes a connection of a user.
-- KEYS[1]  the user's hash          KEYS[2]  the index in this bucket of the fence that it stands under
-- KEYS[3]  users by end of grace    KEYS[4]  events by id
-- KEYS[5]  event ids by the time from which others may claim them
-- ARGV[1]  the writer's leaseUntil  ARGV[2]  only where it stands under this fence; '' for its own node, which knows
-- ARGV[3]  user                     ARGV[4]  connection      ARGV[5]  grace, ms
-- ARGV[6]  close code               ARGV[7]  close reason    ARGV[8]  ms until others may claim events
-- returns  {0} the lease is over; {1, events, whether it was there}
if now >= tonumber(ARGV[1]) then return { 0 } end
local keys = { user = KEYS[1], due = KEYS[3], events = KEYS[4], unsaid = KEYS[5] }
local user, connection, graceMs = ARGV[3], ARGV[4], tonumber(ARGV[5])

redis.call('SREM', KEYS[2], connection .. ' ' .. user)
local entry = redis.call('HGET', keys.user, connection)
if not entry then return { 1, {}, 0 } end
local fence, told, record = string.match(entry, '^(%S+) (%d) (.*)$')
if ARGV[2] ~= '' and fence ~= ARGV[2] then return { 1, {}, 0 } end
redis.call('HDEL', keys.user, connection)

local said = {}
if told == '1' then
  local event = { id = connection .. '.disconnected', type = 'disconnected', user = user, at = now }
  event.connection = connection
  local known = cjson.decode(record)
  event.node = known.node
  event.tenant = known.tenant
  event.code = tonumber(ARGV[6])
  event.reason = ARGV[7]
  said[1] = tell(keys.events, keys.unsaid, ARGV[8], event)
end
if graceMs > 0 then redis.call('ZADD', keys.due, 'GT', now + graceMs, user) end
said[#said + 1] = takeOffline(keys, user, ARGV[8])
return { 1, said, 1 }

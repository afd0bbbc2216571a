-- Records a connection of a user, or brings its record up to date.
-- KEYS[1]   the user's hash         KEYS[2]  the writer's index in this bucket
-- KEYS[3]   users by end of grace   KEYS[4]  events by id
-- KEYS[5]   event ids by the time from which others may claim them
-- KEYS[6]   places that are held for the user
-- ARGV[1]   the writer's leaseUntil ARGV[2]  its fence         ARGV[3]  its node
-- ARGV[4]   user                    ARGV[5]  connection        ARGV[6]  record, JSON
-- ARGV[7]   '1': tell of it         ARGV[8]  '1': no news      ARGV[9]  ms until others may claim events
-- ARGV[10]  limit of the user, 0: none                         ARGV[11] 'refuse' or 'replace'
-- returns   {0} the lease is over; {1, events, surplus connections}
if now >= tonumber(ARGV[1]) then return { 0 } end
local keys = { user = KEYS[1], due = KEYS[3], events = KEYS[4], unsaid = KEYS[5] }
local fence, node, user, connection, told = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[7]
local max = tonumber(ARGV[10])

local isNew = redis.call('HSET', keys.user, connection, fence .. ' ' .. told .. ' ' .. ARGV[6]) == 1
local isOnline = redis.call('HSETNX', keys.user, '$online', told .. ' ' .. connection) == 1
redis.call('SADD', KEYS[2], connection .. ' ' .. user)
redis.call('ZREM', keys.due, user)
if max > 0 and ARGV[11] == 'refuse' then redis.call('ZPOPMIN', KEYS[6]) end

local said = {}
if told == '1' and ARGV[8] ~= '1' then
  if isNew then
    local event = { id = connection .. '.connected', type = 'connected', user = user, at = now }
    event.connection = connection
    event.node = node
    event.tenant = cjson.decode(ARGV[6]).tenant
    said[#said + 1] = tell(keys.events, keys.unsaid, ARGV[9], event)
  end
  if isOnline then
    local event = { id = connection .. '.online', type = 'online', user = user, at = now }
    said[#said + 1] = tell(keys.events, keys.unsaid, ARGV[9], event)
  end
end

local surplus = {}
local excess = redis.call('HLEN', keys.user) - 1 - max
if max > 0 and ARGV[11] == 'replace' and excess > 0 then
  local others = {}
  local all = redis.call('HGETALL', keys.user)
  for i = 1, #all, 2 do
    if all[i] ~= '$online' and all[i] ~= connection then
      others[#others + 1] = { id = all[i], openedAt = tonumber(string.match(all[i + 1], '"openedAt":(%d+)')) }
    end
  end
  table.sort(others, function(a, b) return a.openedAt < b.openedAt end)
  for i = 1, math.min(excess, #others) do surplus[i] = others[i].id end
end
return { 1, said, surplus }

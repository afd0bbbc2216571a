-- Records connections that came, or brings their records up to date, and removes those that went: in order, each for itself.
-- ARGV[1]  the writer's leaseUntil  ARGV[2]  its fence   ARGV[3]  its node   ARGV[4]  ms until others may claim events
-- Of each change six KEYS: the user's hash, the index in its bucket of the fence that it stands under, users by end of grace,
-- events by id, event ids by the time from which others may claim them, places that are held for the user;
-- and eight ARGV:
--   'enter', user, connection, record (JSON), '1' tell of it, '1' no news, limit of the user or 0, 'refuse' or 'replace'
--   'leave', user, connection, grace in ms, close code, close reason, only where it stands under this fence or '', ''
-- returns  0 where the lease is over; else of each change 1, or {events, surplus connections} where there are any, or 0 where what
-- should leave was not there
if now >= tonumber(ARGV[1]) then return 0 end
local fence, node, claimMs = ARGV[2], ARGV[3], ARGV[4]

local function surplusOf(keys, connection, excess)
  local others = {}
  local all = redis.call('HGETALL', keys.user)
  for i = 1, #all, 2 do
    if all[i] ~= '$online' and all[i] ~= connection then
      others[#others + 1] = { id = all[i], openedAt = tonumber(string.match(all[i + 1], '"openedAt":(%d+)')) }
    end
  end
  table.sort(others, function(a, b) return a.openedAt < b.openedAt end)
  local surplus = {}
  for i = 1, math.min(excess, #others) do surplus[i] = others[i].id end
  return surplus
end

-- Most changes have nothing to tell: a number is read much faster than lists of nothing.
local function answer(said, surplus)
  if #said == 0 and #surplus == 0 then return 1 end
  return { said, surplus }
end

local function enter(keys, user, connection, record, told, again, limit, overflow)
  local max = tonumber(limit)
  local isNew = redis.call('HSET', keys.user, connection, fence .. ' ' .. told .. ' ' .. record) == 1
  local isOnline = redis.call('HSETNX', keys.user, '$online', told .. ' ' .. connection) == 1
  redis.call('SADD', keys.index, connection .. ' ' .. user)
  redis.call('ZREM', keys.due, user)
  if isNew and max > 0 and overflow == 'refuse' then redis.call('ZPOPMIN', keys.held) end

  local said = {}
  if told == '1' and again ~= '1' then
    if isNew then
      local event = { id = connection .. '.connected', type = 'connected', user = user, at = now }
      event.connection = connection
      event.node = node
      event.tenant = cjson.decode(record).tenant
      said[#said + 1] = tell(keys.events, keys.unsaid, claimMs, event)
    end
    if isOnline then
      local event = { id = connection .. '.online', type = 'online', user = user, at = now }
      said[#said + 1] = tell(keys.events, keys.unsaid, claimMs, event)
    end
  end
  if max == 0 or overflow ~= 'replace' then return answer(said, {}) end
  local excess = redis.call('HLEN', keys.user) - 1 - max
  return answer(said, excess > 0 and surplusOf(keys, connection, excess) or {})
end

local function leave(keys, user, connection, grace, code, reason, onlyUnder)
  local graceMs = tonumber(grace)
  redis.call('SREM', keys.index, connection .. ' ' .. user)
  local entry = redis.call('HGET', keys.user, connection)
  if not entry then return 0 end
  local standsUnder, told, record = string.match(entry, '^(%S+) (%d) (.*)$')
  if onlyUnder ~= '' and standsUnder ~= onlyUnder then return 0 end
  redis.call('HDEL', keys.user, connection)

  local said = {}
  if told == '1' then
    local event = { id = connection .. '.disconnected', type = 'disconnected', user = user, at = now }
    event.connection = connection
    local known = cjson.decode(record)
    event.node = known.node
    event.tenant = known.tenant
    event.code = tonumber(code)
    event.reason = reason
    said[1] = tell(keys.events, keys.unsaid, claimMs, event)
  end
  if graceMs > 0 then redis.call('ZADD', keys.due, 'GT', now + graceMs, user) end
  said[#said + 1] = takeOffline(keys, user, claimMs)
  return answer(said, {})
end

local replies = {}
for change = 0, #KEYS / 6 - 1 do
  local key, arg = change * 6, 4 + change * 8
  local keys = {
    user = KEYS[key + 1], index = KEYS[key + 2], due = KEYS[key + 3],
    events = KEYS[key + 4], unsaid = KEYS[key + 5], held = KEYS[key + 6],
  }
  local apply = ARGV[arg + 1] == 'enter' and enter or leave
  replies[change + 1] = apply(
    keys, ARGV[arg + 2], ARGV[arg + 3], ARGV[arg + 4], ARGV[arg + 5], ARGV[arg + 6], ARGV[arg + 7], ARGV[arg + 8]
  )
end
return replies

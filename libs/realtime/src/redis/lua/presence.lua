-- Stands before every script on the presence of a channel. `now` is the store's time in epoch milliseconds.
-- KEYS[1]  `<fence> <user>` by connection   KEYS[2]  connections by user   KEYS[3]  users, all with score 0
-- KEYS[4]  users by end of grace            KEYS[5]  the version
-- KEYS[6]  the Pub/Sub channel, in the same slot (a key only so that a cluster can check it)
-- ARGV[1]  the writer's leaseUntil          ARGV[2]  the channel
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local entries, counts, users, due, version, live = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]

-- A version begins at the microsecond: a channel that was empty, or forgotten, never shows one that it had before.
local function announce(event, user)
  redis.call('SET', version, time[1] .. string.format('%06d', time[2]), 'NX')
  local data = '{"channel":' .. cjson.encode(ARGV[2]) .. ',"user":' .. cjson.encode(user)
  data = data .. string.format(',"version":%.0f,"at":%.0f}', redis.call('INCR', version), now)
  redis.call(PUBLISH, live, '\1,;{"event":"' .. event .. '","data":' .. data .. '}')
end

-- Takes out a user that has no connection and no grace left.
local function takeOut(user)
  local ends = redis.call('ZSCORE', due, user)
  if ends and tonumber(ends) > now then return end
  redis.call('ZREM', due, user)
  redis.call('HDEL', counts, user)
  redis.call('ZREM', users, user)
  announce('$leave', user)
  if redis.call('ZCARD', users) == 0 then redis.call('DEL', version) end
end

-- Removes a connection where it stands under the fence, or under any where that is nil. True where it was there.
local function remove(connection, fence, graceMs)
  local entry = redis.call('HGET', entries, connection)
  local under, user = string.match(entry or '', '^(%S+) (.*)$')
  if not under or (fence and under ~= fence) then return false end
  redis.call('HDEL', entries, connection)
  if graceMs > 0 then redis.call('ZADD', due, 'GT', now + graceMs, user) end
  if redis.call('HINCRBY', counts, user, -1) < 1 then takeOut(user) end
  return true
end

-- When the next grace ends; 0: none runs.
local function nextDue()
  return tonumber(redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2] or 0)
end

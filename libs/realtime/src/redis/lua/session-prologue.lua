-- Stands before every session script. `now` is the store's time in epoch milliseconds.
-- A user's hash has a field per connection, "<fence> <told> <record>", and `$online`: "<told> <the connection it began with>".
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Keeps an event until it is acknowledged; others may claim it after claimMs.
local function tell(events, unsaid, claimMs, event)
  local text = cjson.encode(event)
  redis.call('HSET', events, event.id, text)
  redis.call('ZADD', unsaid, now + claimMs, event.id)
  return text
end

-- Takes a user offline that has no connection and no grace left; returns the event, if somebody wants it.
local function takeOffline(keys, user, claimMs)
  if redis.call('HLEN', keys.user) > 1 then return nil end
  local due = redis.call('ZSCORE', keys.due, user)
  if due and tonumber(due) > now then return nil end
  redis.call('ZREM', keys.due, user)
  local online = redis.call('HGET', keys.user, '$online')
  redis.call('DEL', keys.user)
  local told, first = string.match(online or '', '^(%d) (.*)$')
  if told ~= '1' then return nil end
  local event = { id = first .. '.offline', type = 'offline', user = user, at = now }
  return tell(keys.events, keys.unsaid, claimMs, event)
end

-- Appends a publication and announces it, once per idempotency key. Behind the prologue.
-- KEYS[3]  the idempotency key, in the channel's slot
-- KEYS[4]  the Pub/Sub channel, in the same slot (a key only so that a cluster can check it)
-- ARGV[3]  how many entries to keep
-- ARGV[4]  the frame
-- ARGV[5]  milliseconds for which the idempotency key is known
-- returns  {0, epoch, offset}; {1, epoch, offset} of the first time where the key was known; {1} where that had no position
local first = redis.call('GET', KEYS[3])
if first then
  local firstEpoch, firstOffset = string.match(first, '^(.+),(%d+)$')
  return { 1, firstEpoch, firstEpoch and tonumber(firstOffset) }
end

local offset = string.format('%.0f', last + 1)
redis.call('XADD', stream, 'MAXLEN', '=', ARGV[3], offset, 't', nowMs, 'f', ARGV[4])
redis.call('HSET', meta, 'last', offset)
last = last + 1
keep()
-- A few expired heads at a time: none waits long for a history that has many.
local head = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
if not isLive(head) then
  redis.call('XTRIM', stream, 'MINID', '=', math.min(offsetOf(head) + 64, firstLive()))
end
redis.call('SET', KEYS[3], epoch .. ',' .. offset, 'PX', ARGV[5])
redis.call(PUBLISH, KEYS[4], '\1' .. epoch .. ',' .. offset .. ';' .. ARGV[4])
return { 0, epoch, last }

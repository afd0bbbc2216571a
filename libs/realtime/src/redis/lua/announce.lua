-- Announces a frame to every node that hears the channel, once per idempotency key.
-- KEYS[1]  the idempotency key, in the channel's slot
-- KEYS[2]  the Pub/Sub channel, in the same slot (a key only so that a cluster can check it)
-- ARGV[1]  the envelope
-- ARGV[2]  milliseconds for which the idempotency key is known
-- returns  1 announced; 0 the key was known, nothing was announced
if not redis.call('SET', KEYS[1], '', 'NX', 'PX', ARGV[2]) then
  return 0
end
redis.call(PUBLISH, KEYS[2], ARGV[1])
return 1

-- Finds channels in which a grace is over.
-- KEYS[1]  `<second> <channel>` by that second
-- ARGV[1]  the most
-- returns  some of them
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', redis.call('TIME')[1], 'LIMIT', 0, ARGV[1])

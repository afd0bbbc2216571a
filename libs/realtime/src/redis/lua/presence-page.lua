-- Reads members in the order of their bytes.
-- KEYS[1]  connections by user   KEYS[2]  users, all with score 0   KEYS[3]  the version
-- ARGV[1]  where to begin, as a ZRANGEBYLEX minimum               ARGV[2]  the most
-- returns  {version, '1' where there are more, {user, connections, …}}
local limit = tonumber(ARGV[2])
local found = redis.call('ZRANGEBYLEX', KEYS[2], ARGV[1], '+', 'LIMIT', 0, limit + 1)
local more = #found > limit and '1' or '0'
if more == '1' then table.remove(found) end
local members = {}
if #found > 0 then
  for i, count in ipairs(redis.call('HMGET', KEYS[1], unpack(found))) do
    members[2 * i - 1] = found[i]
    members[2 * i] = count or '0'
  end
end
return { redis.call('GET', KEYS[3]) or '0', more, members }

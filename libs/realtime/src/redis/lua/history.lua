-- The prologue of every script on a channel's history: finds it as it was left, or begins a new one.
-- KEYS[1]  the stream: one entry per publication, `<offset>-0`, with its time and its frame
-- KEYS[2]  the meta hash: epoch, replid, last (the newest offset)
-- ARGV[1]  a random epoch, for a history that begins now
-- ARGV[2]  milliseconds for which an entry can be read
--
-- An epoch is bound to the id of the replication: replicas and files on disk may lack the newest entries, and who goes on
-- from there would give their offsets again to other publications.
local stream, meta = KEYS[1], KEYS[2]
local ttlMs = tonumber(ARGV[2])
local hourMs = 3600000
local clock = redis.call('TIME')
local nowMs = clock[1] * 1000 + math.floor(clock[2] / 1000)

local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
local known = redis.call('HMGET', meta, 'epoch', 'replid', 'last')
local epoch, last = known[1], tonumber(known[3])
local lifeMs = redis.call('PTTL', stream)
if known[2] ~= replid or not epoch or not last or lifeMs == -2 then
  redis.call('DEL', stream, meta)
  epoch, last = ARGV[1], 0
  redis.call('HSET', meta, 'epoch', epoch, 'replid', replid, 'last', last)
  redis.call('XADD', stream, '0-1', '', '')
  redis.call('XTRIM', stream, 'MAXLEN', 0)
  lifeMs = -1
end

-- To be called by each script. A history outlives its newest entry by an hour at least, for whoever comes back later and
-- missed nothing; one without entries stays for minutes only, as anybody who may subscribe begins it by a name.
local function keep()
  local keepMs = last > 0 and ttlMs + hourMs or hourMs / 6
  if lifeMs < keepMs then
    redis.call('PEXPIRE', stream, keepMs + hourMs / 6)
    redis.call('PEXPIRE', meta, keepMs + hourMs / 6)
  end
end

local function offsetOf(entry)
  return tonumber(string.match(entry[1], '^%d+'))
end

local function isLive(entry)
  return entry and entry[2][2] + ttlMs > nowMs
end

-- The offset of the oldest entry that has not expired; behind the last one where all have.
local function firstLive()
  local head = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
  if not head then
    return last + 1
  end
  local expired, live = offsetOf(head), last + 1
  if isLive(head) then
    return expired
  end
  while live - expired > 1 do
    local middle = math.floor((expired + live) / 2)
    if isLive(redis.call('XRANGE', stream, middle, middle)[1]) then
      live = middle
    else
      expired = middle
    end
  end
  return live
end

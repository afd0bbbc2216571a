-- Reads the oldest entries behind an offset. Behind the prologue.
-- ARGV[3]  the offset to read behind
-- ARGV[4]  the last offset to read, '+' for as far as there is
-- ARGV[5]  entries at most
-- ARGV[6]  bytes of frames at most; the first entry is read however large it is
-- returns  {epoch, offset of the newest entry, {offset, frame, offset, frame, …}}
keep()
local entries, bytes = {}, 0
local from = math.max(ARGV[3] + 1, firstLive())
for _, entry in ipairs(redis.call('XRANGE', stream, from, ARGV[4], 'COUNT', ARGV[5])) do
  local frame = entry[2][4]
  bytes = bytes + #frame
  if bytes > tonumber(ARGV[6]) and #entries > 0 then
    break
  end
  entries[#entries + 1] = offsetOf(entry)
  entries[#entries + 1] = frame
end
return { epoch, last, entries }

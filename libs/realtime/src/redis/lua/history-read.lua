-- Reads the oldest entries behind an offset. Behind the prologue.
-- ARGV[3]  the offset to read behind
-- ARGV[4]  the last offset to read, '+' for as far as there is
-- ARGV[5]  entries at most
-- ARGV[6]  bytes of frames at most; the first entry is read however large it is
-- returns  {epoch, offset of the newest entry, {offset, frame, offset, frame, …}}
keep()
local entries, bytes = {}, 0
local wanted, maxBytes = tonumber(ARGV[5]), tonumber(ARGV[6])
local from = math.max(ARGV[3] + 1, firstLive())
-- A few at a time: frames may be large, and what is too much must not be in memory first.
local few = 20
repeat
  local page = redis.call('XRANGE', stream, from, ARGV[4], 'COUNT', math.min(few, wanted))
  for _, entry in ipairs(page) do
    local frame = entry[2][4]
    bytes = bytes + #frame
    if bytes > maxBytes and #entries > 0 then
      return { epoch, last, entries }
    end
    entries[#entries + 1] = offsetOf(entry)
    entries[#entries + 1] = frame
  end
  from, wanted = from + #page, wanted - #page
until wanted <= 0 or #page < few
return { epoch, last, entries }

-- Where a channel stands. Behind the prologue.
-- returns  {epoch, offset of the newest entry}
keep()
return { epoch, last }

-- Purpose: who owns a session, and what a node must know before it asks the owner.
-- KEYS, for the session:
--   1 m
-- ARGV: none
-- Returns: UNKNOWN, or {owner, turn, protocol, transport letter, phase letter, format version}.
--- @include parts/record
local record = call('HMGET', KEYS[1], 'o', 'n', 'e', 'x', 's', 'v')
if not record[1] then return UNKNOWN end
return record

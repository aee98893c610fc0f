-- Purpose: makes the record of a new session, turn 0.
-- KEYS, for the session:
--   1 m
--   2 p
--   3 h
--   4 g
--   5 s
--   6 d
-- ARGV:
--   1 node
--   2 protocol
--   3 transport letter
--   4 handshake
--   5 time to live of the record, milliseconds
-- Returns: OK, or EXISTS when another session has the id, or the same one has had turns.
--- @include parts/record
local node, protocol, transport, handshake, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local present = call('HMGET', KEYS[1], 'o', 'n')
if present[1] then
  if present[1] ~= node or present[2] ~= '0' then return EXISTS end
  keep_for(1, ttl)
  return OK
end
-- First what a full Redis refuses: behind a DEL it takes whatever the script writes.
call('HSET', KEYS[1], 'o', node, 'n', '0', 'a', '0', 'z', '0', 'c', '0', 't', '', 'u', '',
  'x', transport, 's', 'o', 'e', protocol, 'v', VERSION)
-- Lists may outlive their record by an instant.
call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[6])
call('SET', KEYS[5], handshake)
keep_for(1, ttl)
return OK

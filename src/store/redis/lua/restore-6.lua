-- Purpose: writes the copy of a living owner where the store lost the record or has an older one.
-- KEYS, for the session:
--   1 m
--   2 p
--   3 h
--   4 g
--   5 s
--   6 d
-- ARGV:
--   1 owner
--   2 turn
--   3 protocol
--   4 transport letter
--   5 phase letter
--   6 acked
--   7 number of the last packet
--   8 characters of the packets
--   9 t in flight
--   10 last packet in flight; empty: nothing is in flight
--   11 handshake
--   12 data
--   13 time to live of the record, milliseconds
--   14 time to live of a closed record, milliseconds
--   15 number of packets
--   16 number of handled POSTs
--   17 number of answered polls
--   then the packets, the handled POSTs, the answered polls
-- Returns: OK, or {owner, turn} when another node owns a record that is not older.
--- @include parts/record
local owner, turn, phase, ttl, linger = ARGV[1], tonumber(ARGV[2]), ARGV[5], ARGV[13], ARGV[14]
local packets, handled, answered = tonumber(ARGV[15]), tonumber(ARGV[16]), tonumber(ARGV[17])

local present = call('HMGET', KEYS[1], 'o', 'n', 's')
if present[1] and tonumber(present[2]) >= turn then
  if present[1] ~= owner then return { present[1], present[2] } end
  keep_for(1, present[3] == 'x' and linger or ttl)
  return OK
end
-- First what a full Redis refuses: behind a DEL it takes whatever the script writes. These are all fields that a record has.
call('HSET', KEYS[1], 'o', owner, 'n', ARGV[2], 'a', ARGV[6], 'z', ARGV[7], 'c', ARGV[8], 't', ARGV[9],
  'u', ARGV[10], 'x', ARGV[4], 's', phase, 'e', ARGV[3], 'v', VERSION)
call('DEL', unpack(KEYS, 2))
push(KEYS[2], 18, 17 + packets)
push(KEYS[3], 18 + packets, 17 + packets + handled)
push(KEYS[4], 18 + packets + handled, 17 + packets + handled + answered)
call('SET', KEYS[5], ARGV[11])
if ARGV[12] ~= '' then call('SET', KEYS[6], ARGV[12]) end
keep_for(1, phase == 'x' and linger or ttl)
return OK

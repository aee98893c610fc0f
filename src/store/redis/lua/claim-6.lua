-- Purpose: makes a node the owner of a session, if the record still stands at the turn that the node has seen.
-- KEYS, for the session:
--   1 m
--   2 p
--   3 h
--   4 g
--   5 s
--   6 d
-- ARGV:
--   1 node
--   2 turn
--   3 time to live of the record, milliseconds
--   4 time to live of a closed record, milliseconds
--   5 format version that the node reads
-- Returns: UNKNOWN, also of a record of which a part is lost; {owner, turn} when the turn differs; {owner, turn, format version} when it is another one; else
--   {owner, turn, format version, protocol, transport letter, phase letter, acked, t, last packet in flight, packets,
--   answered, handled, handshake, data}.
--- @include parts/record
local node, turn, ttl, linger, version = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]

local record = call('HMGET', KEYS[1], 'o', 'n', 'v', 'e', 'x', 's', 'a', 't', 'u', 'z')
local owner, stands = record[1], tonumber(record[2])
if not owner then return UNKNOWN end
local again = owner == node and stands == turn + 1
if not again and stands ~= turn then return { owner, record[2] } end
-- Of a record that it cannot read, a node must not become the owner.
if record[3] ~= version then return { owner, record[2], record[3] or '' } end
-- What can fail is read before anything is written. Of the packets those that the hash counts.
local held = tonumber(record[10]) - tonumber(record[7])
record[10] = held > 0 and call('LRANGE', KEYS[2], 0, held - 1) or {}
record[11] = call('LRANGE', KEYS[4], 0, -1)
record[12] = call('LRANGE', KEYS[3], 0, -1)
record[13] = call('GET', KEYS[5])
-- Without its handshake a session cannot be made again, and without its packets it would go on with a gap that nobody sees. Its
-- owner, where it lives, has all of it.
if not record[13] or #record[10] < held then return UNKNOWN end
record[14] = call('GET', KEYS[6]) or ''
record[1] = node
record[2] = string.format('%.0f', turn + 1)
call('HSET', KEYS[1], 'o', node, 'n', record[2])
keep_for(1, record[6] == 'x' and linger or ttl)
return record

-- Purpose: moves on the time to live of records that a node owns.
-- KEYS, for each session:
--   1 m
--   2 p
--   3 h
--   4 g
--   5 s
--   6 d
-- ARGV:
--   1 node
--   2 time to live of the record, milliseconds
-- Returns: the places, from 1, of the sessions that are not the node's. Of a closed one the time is not moved on. An
--   error with one session counts as the node's: what cannot be read must not be given up.
--- @include parts/record
local node, ttl = ARGV[1], ARGV[2]

local function renew(k)
  local record = call('HMGET', KEYS[k], 'o', 's')
  if record[1] ~= node then return false end
  if record[2] ~= 'x' then keep_for(k, ttl) end
  return true
end

local lost = {}
for i = 1, #KEYS / 6 do
  local done, own = pcall(renew, (i - 1) * 6 + 1)
  if done and not own then lost[#lost + 1] = i end
end
return lost

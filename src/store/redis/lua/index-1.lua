-- Purpose: adds to and removes from the sessions that a node owns.
-- KEYS:
--   1 set
-- ARGV:
--   1 time to live of a new set, milliseconds
--   2 number of ids to add
--   then the ids to add, and those to remove
-- Returns: OK.
local call = redis.call
local key, ttl, added = KEYS[1], ARGV[1], tonumber(ARGV[2])

local function change(command, first, last)
  for from = first, last, 1000 do
    call(command, key, unpack(ARGV, from, math.min(from + 999, last)))
  end
end

change('SADD', 3, 2 + added)
change('SREM', 3 + added, #ARGV)
if call('PTTL', key) == -1 then call('PEXPIRE', key, ttl) end
return 1

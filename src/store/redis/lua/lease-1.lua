-- Purpose: takes or renews a node's lease, and reads which leases stand, its own as it was before among them.
-- KEYS:
--   1 hash: for each node "format version, end by Redis' clock in milliseconds, incarnation", apart by spaces. A later
--     format may only append.
-- ARGV:
--   1 node
--   2 incarnation
--   3 time to live of a lease, milliseconds; 0 gives the lease back; empty only looks
-- Returns: {1 where the node's lease stood before, else 0; node, incarnation, node, incarnation, …}. Without the node itself
--   where it takes no lease.
local call = redis.call
local key, node, incarnation, ttl = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local time = call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local standing, mine, answer = call('HGETALL', key), nil, { 0 }
for i = 1, #standing, 2 do
  local ends, number = string.match(standing[i + 1], '^%d+ (%d+) (%d+)')
  if not ends or tonumber(ends) <= now then
    call('HDEL', key, standing[i])
  elseif standing[i] == node then
    mine = number
    answer[1] = 1
  else
    answer[#answer + 1] = standing[i]
    answer[#answer + 1] = number
  end
end
if not ttl then return answer end
if ttl == 0 then
  if mine == incarnation then call('HDEL', key, node) end
  return answer
end
-- A call that was under way for long must not put back an incarnation that its node has left behind.
if not mine or tonumber(mine) <= tonumber(incarnation) then
  mine = incarnation
  call('HSET', key, node, string.format('1 %.0f %s', now + ttl, incarnation))
end
-- Nodes may differ in the time to live: the longest counts.
if call('PTTL', key) < ttl then call('PEXPIRE', key, ttl) end
answer[#answer + 1] = node
answer[#answer + 1] = mine
return answer

-- What every script that touches a record shares. The keys of a session stand side by side in KEYS, the first at k:
--   k     m  hash: o owner, n turn, a acked, z tail, c characters of the packets, t and u what is in flight (u is
--            empty when nothing is), x transport (p, w), s phase (o open, c closing, x closed), e protocol,
--            v format version
--   k + 1 p  list: packets acked+1…tail, each behind its length in UTF-16 units and a colon: Lua counts bytes
--   k + 2 h  list: keys of handled POSTs
--   k + 3 g  list: the t that were in flight before
--   k + 4 s  string: the handshake
--   k + 5 d  string: socket.data
-- The hash holds small fields only: one of more than 64 bytes would cost its compact encoding, and with it four
-- times the memory.
local call = redis.call
local OK, UNKNOWN, BEHIND, OVERFLOW, EXISTS = 1, 2, 3, 4, 5
local VERSION = '1'

-- Moves on the time to live of all keys of a session. The record first: nothing of it may end before it does.
local function keep_for(k, milliseconds)
  for i = k, k + 5 do call('PEXPIRE', KEYS[i], milliseconds) end
end

-- Appends ARGV[first..last] to a list, in pieces that fit Lua's stack. Returns the list's new length.
local function push(key, first, last)
  local length = 0
  for from = first, last, 1000 do
    length = call('RPUSH', key, unpack(ARGV, from, math.min(from + 999, last)))
  end
  return length
end

-- Purpose: writes one turn of each of several sessions. The turns travel together for speed only: each is run under
--   its own protection, and an error of one changes nothing of another.
-- KEYS, for each session:
--   1 m
--   2 p
--   3 h
--   4 g
--   5 s
--   6 d
-- ARGV, once:
--   1 time to live of the record, milliseconds
--   2 time to live of a closed record, milliseconds
--   3 packets that a record holds at most
--   4 characters of packets that a record holds at most
-- ARGV, for each session:
--   1 node
--   2 turn
--   3 acked
--   4 t in flight
--   5 last packet in flight; empty: nothing is in flight
--   6 keep: how many handled POSTs and answered polls stay at least
--   7 letters: r move the time to live on; p, w the transport; o, c, x the phase; d data follows
--   8 number of packets
--   9 number of POSTs
--   10 characters of the packets
--   then the packets, the keys of the POSTs, and the data
-- Returns: OK when all are. Else an answer for each: OK, UNKNOWN, BEHIND, OVERFLOW, {owner, turn} when fenced, or the
--   text of an error.
--- @include parts/record
local ttl, linger, max_packets, max_chars = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local find = string.find

-- Of the packets that arrived, the characters. All of them are counted already; else their lengths are read.
local function chars_of(key, drop, held, chars)
  if drop == held then return chars end
  local sum = 0
  if drop > 0 then
    for _, packet in ipairs(call('LRANGE', key, 0, drop - 1)) do
      sum = sum + tonumber(string.match(packet, '^%d+'))
    end
  end
  return sum
end

-- A ring is cut only when it is well over, so that most turns move nothing in it.
local function cut(key, length, keep)
  if length <= 2 * keep then return end
  if keep > 0 then call('LTRIM', key, -keep, -1) else call('DEL', key) end
end

local function apply(k, a, packets, posts, letters)
  local m, p, h, g, d = KEYS[k], KEYS[k + 1], KEYS[k + 2], KEYS[k + 3], KEYS[k + 5]
  local record = call('HMGET', m, 'o', 'n', 'a', 'z', 'c', 't', 'u', 's')
  local owner, stands = record[1], tonumber(record[2])
  local turn, keep = tonumber(ARGV[a + 2]), tonumber(ARGV[a + 6])
  if not owner then return UNKNOWN end
  if owner ~= ARGV[a + 1] then
    if turn - 1 > stands then return BEHIND end
    return { owner, record[2] }
  end
  if turn <= stands then return OK end
  if turn - 1 > stands then return BEHIND end

  local before, tail, chars = tonumber(record[3]), tonumber(record[4]), tonumber(record[5])
  local acked = math.max(tonumber(ARGV[a + 3]), before)
  local held = tail - before
  local drop = math.min(acked - before, held)
  chars = chars - chars_of(p, drop, held, chars) + tonumber(ARGV[a + 10])
  if packets > 0 and (held - drop + packets > max_packets or chars > max_chars) then return OVERFLOW end

  -- From here on things are written. What can fail comes first, the hash last: what failed half way is not counted by
  -- the hash, and is written again by the same turn.
  local refresh, remaining = find(letters, 'r', 1, true), nil
  local function born(key)
    -- A key born between two refreshes ends with its record.
    if refresh then return end
    remaining = remaining or call('PTTL', m)
    call('PEXPIRE', key, remaining > 0 and remaining or ttl)
  end
  local first = a + 11 + packets
  if posts > 0 then
    local length = push(h, first, first + posts - 1)
    if length == posts then born(h) end
    cut(h, length, keep)
  end
  local answered = record[7] ~= '' and (ARGV[a + 5] == '' or record[6] ~= ARGV[a + 4])
  if answered then
    local length = call('RPUSH', g, record[6])
    if length == 1 then born(g) end
    cut(g, length, keep)
  end
  if packets > 0 then
    -- New ones first, so that the key is not deleted and made again when all before have arrived.
    local length = push(p, a + 11, a + 10 + packets)
    if length ~= held + packets then
      -- A part of the record is lost, or one too many was written half way. Its owner has it as it was: with its turn taken back the
      -- record is older than the owner's copy. Nothing of this turn is to be found in it.
      call('LTRIM', p, 0, -packets - 1)
      if posts > 0 then call('LTRIM', h, 0, -posts - 1) end
      if answered then call('LTRIM', g, 0, -2) end
      call('HSET', m, 'n', string.format('%.0f', stands - 1))
      return BEHIND
    end
    if held == 0 then born(p) end
  end
  if drop > 0 then call('LTRIM', p, drop, -1) end
  if find(letters, 'd', 1, true) then
    call('SET', d, ARGV[first + posts])
    born(d)
  end
  -- Beyond the last packet, the numbers go on from what has arrived, as the owner counts them.
  call('HSET', m, 'n', ARGV[a + 2], 'a', acked, 'z', math.max(tail, acked) + packets, 'c', chars,
    't', ARGV[a + 4], 'u', ARGV[a + 5])

  local transport, phase = string.match(letters, '[pw]'), string.match(letters, '[ocx]')
  if transport then call('HSET', m, 'x', transport) end
  if phase then call('HSET', m, 's', phase) end
  if refresh or phase == 'x' then keep_for(k, (phase or record[8]) == 'x' and linger or ttl) end
  return OK
end

local answers, all_ok, a = {}, true, 4
for i = 1, #KEYS / 6 do
  local packets, posts, letters = tonumber(ARGV[a + 8]), tonumber(ARGV[a + 9]), ARGV[a + 7]
  local done, answer = pcall(apply, (i - 1) * 6 + 1, a, packets, posts, letters)
  -- Redis 7 raises a table, older ones a text.
  if not done then answer = type(answer) == 'table' and answer.err or tostring(answer) end
  if answer ~= OK then all_ok = false end
  answers[i] = answer
  a = a + 10 + packets + posts + (find(letters, 'd', 1, true) and 1 or 0)
end
if all_ok then return OK end
return answers

// Generated from lua/ by scripts/build-lua.mjs. Do not edit: change the script there and run `node scripts/build-lua.mjs`.

export interface Script {
  readonly name: string;
  /** Keys that it takes, of each session where it takes several. */
  readonly keys: number;
  readonly sha: string;
  readonly source: string;
}

export const SCRIPTS = {
  claim: {
    name: "claim",
    keys: 6,
    sha: "49dbee9205fc70ef09f1140c7a3dd8f348025f13",
    source:
      "local call = redis.call\nlocal OK, UNKNOWN, BEHIND, OVERFLOW, EXISTS = 1, 2, 3, 4, 5\nlocal VERSION = '1'\nlocal function keep_for(k, milliseconds)\n  for i = k, k + 5 do call('PEXPIRE', KEYS[i], milliseconds) end\nend\nlocal function push(key, first, last)\n  local length = 0\n  for from = first, last, 1000 do\n    length = call('RPUSH', key, unpack(ARGV, from, math.min(from + 999, last)))\n  end\n  return length\nend\nlocal node, turn, ttl, linger, version = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]\nlocal record = call('HMGET', KEYS[1], 'o', 'n', 'v', 'e', 'x', 's', 'a', 't', 'u', 'z')\nlocal owner, stands = record[1], tonumber(record[2])\nif not owner then return UNKNOWN end\nlocal again = owner == node and stands == turn + 1\nif not again and stands ~= turn then return { owner, record[2] } end\nif record[3] ~= version then return { owner, record[2], record[3] or '' } end\nlocal held = tonumber(record[10]) - tonumber(record[7])\nrecord[10] = held > 0 and call('LRANGE', KEYS[2], 0, held - 1) or {}\nrecord[11] = call('LRANGE', KEYS[4], 0, -1)\nrecord[12] = call('LRANGE', KEYS[3], 0, -1)\nrecord[13] = call('GET', KEYS[5])\nif not record[13] or #record[10] < held then return UNKNOWN end\nrecord[14] = call('GET', KEYS[6]) or ''\nrecord[1] = node\nrecord[2] = string.format('%.0f', turn + 1)\ncall('HSET', KEYS[1], 'o', node, 'n', record[2])\nkeep_for(1, record[6] == 'x' and linger or ttl)\nreturn record",
  },
  commit: {
    name: "commit",
    keys: 6,
    sha: "c4a0611f304dbfaf1a3bb811579e6fe7068a5474",
    source:
      "local call = redis.call\nlocal OK, UNKNOWN, BEHIND, OVERFLOW, EXISTS = 1, 2, 3, 4, 5\nlocal VERSION = '1'\nlocal function keep_for(k, milliseconds)\n  for i = k, k + 5 do call('PEXPIRE', KEYS[i], milliseconds) end\nend\nlocal function push(key, first, last)\n  local length = 0\n  for from = first, last, 1000 do\n    length = call('RPUSH', key, unpack(ARGV, from, math.min(from + 999, last)))\n  end\n  return length\nend\nlocal ttl, linger, max_packets, max_chars = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])\nlocal find = string.find\nlocal function chars_of(key, drop, held, chars)\n  if drop == held then return chars end\n  local sum = 0\n  if drop > 0 then\n    for _, packet in ipairs(call('LRANGE', key, 0, drop - 1)) do\n      sum = sum + tonumber(string.match(packet, '^%d+'))\n    end\n  end\n  return sum\nend\nlocal function cut(key, length, keep)\n  if length <= 2 * keep then return end\n  if keep > 0 then call('LTRIM', key, -keep, -1) else call('DEL', key) end\nend\nlocal function apply(k, a, packets, posts, letters)\n  local m, p, h, g, d = KEYS[k], KEYS[k + 1], KEYS[k + 2], KEYS[k + 3], KEYS[k + 5]\n  local record = call('HMGET', m, 'o', 'n', 'a', 'z', 'c', 't', 'u', 's')\n  local owner, stands = record[1], tonumber(record[2])\n  local turn, keep = tonumber(ARGV[a + 2]), tonumber(ARGV[a + 6])\n  if not owner then return UNKNOWN end\n  if owner ~= ARGV[a + 1] then\n    if turn - 1 > stands then return BEHIND end\n    return { owner, record[2] }\n  end\n  if turn <= stands then return OK end\n  if turn - 1 > stands then return BEHIND end\n  local before, tail, chars = tonumber(record[3]), tonumber(record[4]), tonumber(record[5])\n  local acked = math.max(tonumber(ARGV[a + 3]), before)\n  local held = tail - before\n  local drop = math.min(acked - before, held)\n  chars = chars - chars_of(p, drop, held, chars) + tonumber(ARGV[a + 10])\n  if packets > 0 and (held - drop + packets > max_packets or chars > max_chars) then return OVERFLOW end\n  local refresh, remaining = find(letters, 'r', 1, true), nil\n  local function born(key)\n    if refresh then return end\n    remaining = remaining or call('PTTL', m)\n    call('PEXPIRE', key, remaining > 0 and remaining or ttl)\n  end\n  local first = a + 11 + packets\n  if posts > 0 then\n    local length = push(h, first, first + posts - 1)\n    if length == posts then born(h) end\n    cut(h, length, keep)\n  end\n  local answered = record[7] ~= '' and (ARGV[a + 5] == '' or record[6] ~= ARGV[a + 4])\n  if answered then\n    local length = call('RPUSH', g, record[6])\n    if length == 1 then born(g) end\n    cut(g, length, keep)\n  end\n  if packets > 0 then\n    local length = push(p, a + 11, a + 10 + packets)\n    if length ~= held + packets then\n      call('LTRIM', p, 0, -packets - 1)\n      if posts > 0 then call('LTRIM', h, 0, -posts - 1) end\n      if answered then call('LTRIM', g, 0, -2) end\n      call('HSET', m, 'n', string.format('%.0f', stands - 1))\n      return BEHIND\n    end\n    if held == 0 then born(p) end\n  end\n  if drop > 0 then call('LTRIM', p, drop, -1) end\n  if find(letters, 'd', 1, true) then\n    call('SET', d, ARGV[first + posts])\n    born(d)\n  end\n  call('HSET', m, 'n', ARGV[a + 2], 'a', acked, 'z', math.max(tail, acked) + packets, 'c', chars,\n    't', ARGV[a + 4], 'u', ARGV[a + 5])\n  local transport, phase = string.match(letters, '[pw]'), string.match(letters, '[ocx]')\n  if transport then call('HSET', m, 'x', transport) end\n  if phase then call('HSET', m, 's', phase) end\n  if refresh or phase == 'x' then keep_for(k, (phase or record[8]) == 'x' and linger or ttl) end\n  return OK\nend\nlocal answers, all_ok, a = {}, true, 4\nfor i = 1, #KEYS / 6 do\n  local packets, posts, letters = tonumber(ARGV[a + 8]), tonumber(ARGV[a + 9]), ARGV[a + 7]\n  local done, answer = pcall(apply, (i - 1) * 6 + 1, a, packets, posts, letters)\n  if not done then answer = type(answer) == 'table' and answer.err or tostring(answer) end\n  if answer ~= OK then all_ok = false end\n  answers[i] = answer\n  a = a + 10 + packets + posts + (find(letters, 'd', 1, true) and 1 or 0)\nend\nif all_ok then return OK end\nreturn answers",
  },
  index: {
    name: "index",
    keys: 1,
    sha: "4b5dcc066c9d8d26317f8b879f2f5a83b1d56e3e",
    source:
      "local call = redis.call\nlocal key, ttl, added = KEYS[1], ARGV[1], tonumber(ARGV[2])\nlocal function change(command, first, last)\n  for from = first, last, 1000 do\n    call(command, key, unpack(ARGV, from, math.min(from + 999, last)))\n  end\nend\nchange('SADD', 3, 2 + added)\nchange('SREM', 3 + added, #ARGV)\nif call('PTTL', key) == -1 then call('PEXPIRE', key, ttl) end\nreturn 1",
  },
  lease: {
    name: "lease",
    keys: 1,
    sha: "f987d03aabb022357aac85cf186911c5a22be21e",
    source:
      "local call = redis.call\nlocal key, node, incarnation, ttl = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])\nlocal time = call('TIME')\nlocal now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)\nlocal standing, mine, answer = call('HGETALL', key), nil, { 0 }\nfor i = 1, #standing, 2 do\n  local ends, number = string.match(standing[i + 1], '^%d+ (%d+) (%d+)')\n  if not ends or tonumber(ends) <= now then\n    call('HDEL', key, standing[i])\n  elseif standing[i] == node then\n    mine = number\n    answer[1] = 1\n  else\n    answer[#answer + 1] = standing[i]\n    answer[#answer + 1] = number\n  end\nend\nif not ttl then return answer end\nif ttl == 0 then\n  if mine == incarnation then call('HDEL', key, node) end\n  return answer\nend\nif not mine or tonumber(mine) <= tonumber(incarnation) then\n  mine = incarnation\n  call('HSET', key, node, string.format('1 %.0f %s', now + ttl, incarnation))\nend\nif call('PTTL', key) < ttl then call('PEXPIRE', key, ttl) end\nanswer[#answer + 1] = node\nanswer[#answer + 1] = mine\nreturn answer",
  },
  look: {
    name: "look",
    keys: 1,
    sha: "0d87c6a1bcab793d84c31308b3f208996690230e",
    source:
      "local call = redis.call\nlocal OK, UNKNOWN, BEHIND, OVERFLOW, EXISTS = 1, 2, 3, 4, 5\nlocal VERSION = '1'\nlocal function keep_for(k, milliseconds)\n  for i = k, k + 5 do call('PEXPIRE', KEYS[i], milliseconds) end\nend\nlocal function push(key, first, last)\n  local length = 0\n  for from = first, last, 1000 do\n    length = call('RPUSH', key, unpack(ARGV, from, math.min(from + 999, last)))\n  end\n  return length\nend\nlocal record = call('HMGET', KEYS[1], 'o', 'n', 'e', 'x', 's', 'v')\nif not record[1] then return UNKNOWN end\nreturn record",
  },
  open: {
    name: "open",
    keys: 6,
    sha: "fa473911bb436c4bda5dbac515df2e0104b711c4",
    source:
      "local call = redis.call\nlocal OK, UNKNOWN, BEHIND, OVERFLOW, EXISTS = 1, 2, 3, 4, 5\nlocal VERSION = '1'\nlocal function keep_for(k, milliseconds)\n  for i = k, k + 5 do call('PEXPIRE', KEYS[i], milliseconds) end\nend\nlocal function push(key, first, last)\n  local length = 0\n  for from = first, last, 1000 do\n    length = call('RPUSH', key, unpack(ARGV, from, math.min(from + 999, last)))\n  end\n  return length\nend\nlocal node, protocol, transport, handshake, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]\nlocal present = call('HMGET', KEYS[1], 'o', 'n')\nif present[1] then\n  if present[1] ~= node or present[2] ~= '0' then return EXISTS end\n  keep_for(1, ttl)\n  return OK\nend\ncall('HSET', KEYS[1], 'o', node, 'n', '0', 'a', '0', 'z', '0', 'c', '0', 't', '', 'u', '',\n  'x', transport, 's', 'o', 'e', protocol, 'v', VERSION)\ncall('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[6])\ncall('SET', KEYS[5], handshake)\nkeep_for(1, ttl)\nreturn OK",
  },
  renew: {
    name: "renew",
    keys: 6,
    sha: "aef6d4ef6436d30eb48bedb2c54d8812cedadb25",
    source:
      "local call = redis.call\nlocal OK, UNKNOWN, BEHIND, OVERFLOW, EXISTS = 1, 2, 3, 4, 5\nlocal VERSION = '1'\nlocal function keep_for(k, milliseconds)\n  for i = k, k + 5 do call('PEXPIRE', KEYS[i], milliseconds) end\nend\nlocal function push(key, first, last)\n  local length = 0\n  for from = first, last, 1000 do\n    length = call('RPUSH', key, unpack(ARGV, from, math.min(from + 999, last)))\n  end\n  return length\nend\nlocal node, ttl = ARGV[1], ARGV[2]\nlocal function renew(k)\n  local record = call('HMGET', KEYS[k], 'o', 's')\n  if record[1] ~= node then return false end\n  if record[2] ~= 'x' then keep_for(k, ttl) end\n  return true\nend\nlocal lost = {}\nfor i = 1, #KEYS / 6 do\n  local done, own = pcall(renew, (i - 1) * 6 + 1)\n  if done and not own then lost[#lost + 1] = i end\nend\nreturn lost",
  },
  restore: {
    name: "restore",
    keys: 6,
    sha: "161cd032b55f3318ddaa180baf9885042748543b",
    source:
      "local call = redis.call\nlocal OK, UNKNOWN, BEHIND, OVERFLOW, EXISTS = 1, 2, 3, 4, 5\nlocal VERSION = '1'\nlocal function keep_for(k, milliseconds)\n  for i = k, k + 5 do call('PEXPIRE', KEYS[i], milliseconds) end\nend\nlocal function push(key, first, last)\n  local length = 0\n  for from = first, last, 1000 do\n    length = call('RPUSH', key, unpack(ARGV, from, math.min(from + 999, last)))\n  end\n  return length\nend\nlocal owner, turn, phase, ttl, linger = ARGV[1], tonumber(ARGV[2]), ARGV[5], ARGV[13], ARGV[14]\nlocal packets, handled, answered = tonumber(ARGV[15]), tonumber(ARGV[16]), tonumber(ARGV[17])\nlocal present = call('HMGET', KEYS[1], 'o', 'n', 's')\nif present[1] and tonumber(present[2]) >= turn then\n  if present[1] ~= owner then return { present[1], present[2] } end\n  keep_for(1, present[3] == 'x' and linger or ttl)\n  return OK\nend\ncall('HSET', KEYS[1], 'o', owner, 'n', ARGV[2], 'a', ARGV[6], 'z', ARGV[7], 'c', ARGV[8], 't', ARGV[9],\n  'u', ARGV[10], 'x', ARGV[4], 's', phase, 'e', ARGV[3], 'v', VERSION)\ncall('DEL', unpack(KEYS, 2))\npush(KEYS[2], 18, 17 + packets)\npush(KEYS[3], 18 + packets, 17 + packets + handled)\npush(KEYS[4], 18 + packets + handled, 17 + packets + handled + answered)\ncall('SET', KEYS[5], ARGV[11])\nif ARGV[12] ~= '' then call('SET', KEYS[6], ARGV[12]) end\nkeep_for(1, phase == 'x' and linger or ttl)\nreturn OK",
  },
} as const satisfies Record<string, Script>;

import assert from "node:assert/strict";
import type { Cluster, Redis } from "ioredis";

/**
 * Time passes for a Redis as it does for a clock turned by hand: all that has a time to live gets that much less of it.
 * A test that waited for real time would depend on the machine.
 */
const AGE = `
local ms = tonumber(ARGV[1])
for _, key in ipairs(redis.call('KEYS', ARGV[2])) do
  local left = redis.call('PTTL', key)
  if redis.call('TYPE', key).ok == 'hash' and string.sub(key, -2) == ':l' then
    local leases = redis.call('HGETALL', key)
    for i = 1, #leases, 2 do
      local version, ends, rest = string.match(leases[i + 1], '^(%d+) (%d+)(.*)$')
      redis.call('HSET', key, leases[i], string.format('%s %.0f%s', version, tonumber(ends) - ms, rest))
    end
  end
  if left >= 0 then
    if left <= ms then redis.call('DEL', key) else redis.call('PEXPIRE', key, left - ms) end
  end
end`;

export async function age(client: Redis | Cluster, prefix: string, ms: number): Promise<void> {
  for (const node of nodesOf(client)) await node.eval(AGE, 0, String(ms), `${prefix}*`);
}

export async function checkTimesToLive(client: Redis | Cluster, prefix: string): Promise<void> {
  let seen = 0;
  for (const node of nodesOf(client)) {
    for (const key of await node.keys(`${prefix}*`)) {
      seen++;
      assert.ok((await node.pttl(key)) > 0, `${JSON.stringify(key)} has a time to live`);
    }
  }
  assert.ok(seen > 0, "there are keys");
}

function nodesOf(client: Redis | Cluster): Redis[] {
  return "nodes" in client ? client.nodes("master") : [client];
}

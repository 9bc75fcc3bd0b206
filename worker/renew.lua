-- Prolong a lease (ttl_ms > 0) or give it back (ttl_ms = 0), only when it is still ours.
-- KEYS  1 lease  2 state  3 status      ARGV  1 lease value  2 ttl_ms  3 status JSON or ''
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
if tonumber(ARGV[2]) > 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
else
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[2], 'tries', 0) -- given back in good order
end
if ARGV[3] ~= '' then
  redis.call('SET', KEYS[3], ARGV[3])
end
return 1

-- Commit what a line did with a stretch of audio: state, cursor and events together, or nothing at all.
-- KEYS  1 lease  2 state  3 open  4 closed  5 gaps  6 status  7 events  8 events:seq
-- ARGV  1 lease value  2 token  3 ttl_ms  4 expected cursor  5 new cursor  6 state blob  7 ended (0/1)
--       8 status JSON  9 feed  10 events kept  11 closed and gaps kept
--       then for each event: type, detection id or '', JSON before its seq, JSON after its seq
-- Returns {1, last seq}, or {0, reason} without any effect.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return {0, 'lease'}
end
local cursor = redis.call('HGET', KEYS[2], 'cursor') or '0-0'
if cursor ~= ARGV[4] then
  return {0, 'cursor'}
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('HSET', KEYS[2], 'cursor', ARGV[5], 'blob', ARGV[6], 'fence', ARGV[2], 'ended', ARGV[7])
if cursor ~= ARGV[5] then
  redis.call('HSET', KEYS[2], 'tries', 0)
end
redis.call('SET', KEYS[6], ARGV[8])
local last = tonumber(ARGV[11]) - 1
local seq = 0
for at = 12, #ARGV, 4 do
  local kind, detection = ARGV[at], ARGV[at + 1]
  seq = redis.call('INCR', KEYS[8])
  local json = ARGV[at + 2] .. string.format('%d', seq) .. ARGV[at + 3]
  redis.call('XADD', KEYS[7], 'MAXLEN', '~', ARGV[10], '*', 'seq', seq, 'feed', ARGV[9], 'type', kind, 'json', json)
  if kind == 'detection.opened' or kind == 'detection.updated' then
    redis.call('HSET', KEYS[3], detection, json)
  elseif kind == 'detection.closed' then
    redis.call('HDEL', KEYS[3], detection)
    redis.call('LPUSH', KEYS[4], json)
    redis.call('LTRIM', KEYS[4], 0, last)
  elseif kind == 'detection.retracted' then
    redis.call('HDEL', KEYS[3], detection)
  elseif kind == 'stream.gap' then
    redis.call('LPUSH', KEYS[5], json)
    redis.call('LTRIM', KEYS[5], 0, last)
  end
end
return {1, seq}

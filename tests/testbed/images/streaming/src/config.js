'use strict';

// Settings from the environment (mastodon.md §1.7, §2.6).

// DB_SSLMODE as the streaming server reads it: off, unchecked, or verified for everything else.
function tlsOf(mode) {
  if (!mode || mode === 'disable') return false;
  return { rejectUnauthorized: mode !== 'no-verify' };
}

function database(env) {
  if (env.DATABASE_URL) return { connectionString: env.DATABASE_URL, max: poolOf(env) };
  return {
    host: env.DB_HOST || 'localhost',
    port: Number(env.DB_PORT || 5432),
    database: env.DB_NAME || 'mastodon_production',
    user: env.DB_USER || 'mastodon',
    password: env.DB_PASS || '',
    ssl: tlsOf(env.DB_SSLMODE),
    max: poolOf(env),
  };
}

function poolOf(env) {
  return Number(env.DB_POOL || 10);
}

function redis(env) {
  if (env.REDIS_URL) return { url: env.REDIS_URL };
  return {
    socket: { host: env.REDIS_HOST || '127.0.0.1', port: Number(env.REDIS_PORT || 6379) },
    username: env.REDIS_USER || undefined,
    password: env.REDIS_PASSWORD || undefined,
    database: Number(env.REDIS_DB || 0),
  };
}

// Mastodon refuses it here too.
function refusal(env) {
  if (env.REDIS_NAMESPACE) {
    return 'ERROR: the REDIS_NAMESPACE environment variable is no longer supported, and a migration is required.\n\n'
      + 'Please see documentation at https://github.com/mastodon/redis_namespace_migration';
  }
  return null;
}

module.exports = { database, redis, refusal };

'use strict';

// A stand-in for Mastodon's streaming server: mastodon.md §1.7 and §6.

const http = require('node:http');
const { Pool } = require('pg');
const { createClient } = require('redis');
const { WebSocketServer } = require('ws');
const config = require('./config');

const PING_EVERY_MS = 30_000;
const RETRY_AFTER_MS = 2_000;
const PREFIX = '/api/v1/streaming';
const STAND_IN = { 'X-Stand-In': 'tootstrap test bed' };

const refusal = config.refusal(process.env);
if (refusal) {
  console.error(refusal);
  process.exit(1);
}

function log(level, msg, more = {}) {
  console.log(JSON.stringify({ level, time: Date.now(), pid: process.pid, msg, ...more }));
}

function reply(response, status, type, body, headers = {}) {
  response.writeHead(status, { 'Content-Type': type, ...STAND_IN, ...headers });
  response.end(body);
}

function replyJson(response, status, error) {
  reply(response, status, 'application/json; charset=utf-8', JSON.stringify({ error }));
}

// The token of a request: header, WebSocket sub-protocol, or query.
function tokenOf(request, url) {
  const bearer = /^Bearer (.+)$/.exec(request.headers.authorization || '');
  return (bearer && bearer[1]) || request.headers['sec-websocket-protocol'] || url.searchParams.get('access_token');
}

async function accountOf(token, pool) {
  const found = await pool.query(
    `SELECT users.account_id FROM oauth_access_tokens
       JOIN users ON users.id = oauth_access_tokens.resource_owner_id
      WHERE oauth_access_tokens.token = $1 AND oauth_access_tokens.revoked_at IS NULL
        AND NOT users.disabled LIMIT 1`,
    [token],
  );
  return found.rows[0] && found.rows[0].account_id;
}

function metrics(sockets, pool) {
  return [
    '# HELP connected_clients The number of clients connected to the streaming server',
    '# TYPE connected_clients gauge',
    `connected_clients{type="websocket"} ${sockets.clients.size}`,
    '# HELP pg_pool_total_connections The total number of clients existing within the pool',
    '# TYPE pg_pool_total_connections gauge',
    `pg_pool_total_connections ${pool.totalCount}`,
    '',
  ].join('\n');
}

function answer(request, response, sockets, pool) {
  const url = new URL(request.url, 'http://localhost');
  if (url.pathname === `${PREFIX}/health`) {
    return reply(response, 200, 'text/plain', 'OK', { 'Cache-Control': 'private, no-store' });
  }
  if (url.pathname === '/metrics') return reply(response, 200, 'text/plain; version=0.0.4', metrics(sockets, pool));
  if (!url.pathname.startsWith(PREFIX)) return replyJson(response, 404, 'Not found');
  if (url.pathname === PREFIX) return replyJson(response, 400, 'Unknown channel requested');
  return replyJson(response, 401, 'Missing access token');
}

function refuseUpgrade(socket, status, reason, message) {
  socket.end([
    `HTTP/1.1 ${status} ${reason}`, 'Connection: close', 'Content-Type: text/plain',
    `Content-Length: ${Buffer.byteLength(message)}`, `X-Error-Message: ${message}`,
    'X-Stand-In: tootstrap test bed', '', message,
  ].join('\r\n'));
}

async function upgrade(request, socket, head, sockets, pool) {
  socket.on('error', (error) => log('warn', error.message));
  const url = new URL(request.url, 'http://localhost');
  const token = tokenOf(request, url);
  if (!url.pathname.startsWith(PREFIX)) return refuseUpgrade(socket, 404, 'Not Found', 'Not found');
  if (!token) return refuseUpgrade(socket, 401, 'Unauthorized', 'Missing access token');
  try {
    const account = await accountOf(token, pool);
    if (!account) return refuseUpgrade(socket, 401, 'Unauthorized', 'Invalid access token');
    return sockets.handleUpgrade(request, socket, head, (client) => sockets.emit('connection', client, account));
  } catch (error) {
    log('error', error.message);
    return refuseUpgrade(socket, 500, 'Internal Server Error', 'An unexpected error occurred');
  }
}

// Passes on what Mastodon publishes for this account, and keeps the connection alive.
async function serve(client, account, subscriber) {
  const channel = `timeline:${account}`;
  const pass = (message) => client.send(JSON.stringify({ stream: ['user'], ...JSON.parse(message) }));
  const ping = setInterval(() => client.ping(), PING_EVERY_MS);
  client.on('close', () => {
    clearInterval(ping);
    subscriber.unsubscribe(channel, pass);
  });
  await subscriber.subscribe(channel, pass);
}

// Like Mastodon's, the server listens (and is healthy) whether its databases are there or not.
async function untilItWorks(name, connect) {
  try {
    await connect();
    log('info', `Connected to ${name}`);
  } catch (error) {
    log('error', `${name}: ${error.message}`);
    setTimeout(untilItWorks, RETRY_AFTER_MS, name, connect);
  }
}

function main() {
  const pool = new Pool(config.database(process.env));
  pool.on('error', (error) => log('error', error.message));
  untilItWorks('PostgreSQL', () => pool.query('SELECT 1'));

  const subscriber = createClient(config.redis(process.env));
  subscriber.on('error', (error) => log('error', `Redis: ${error.message}`));
  untilItWorks('Redis', () => subscriber.connect());

  const sockets = new WebSocketServer({ noServer: true });
  sockets.on('connection', (client, account) => serve(client, account, subscriber));

  const server = http.createServer((request, response) => answer(request, response, sockets, pool));
  server.on('upgrade', (request, socket, head) => upgrade(request, socket, head, sockets, pool));
  const { BIND: host = '127.0.0.1', PORT: port = '4000' } = process.env;
  server.listen(Number(port), host, () => log('info', `Streaming API now listening on ${host}:${port}`));

  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0));
}

main();

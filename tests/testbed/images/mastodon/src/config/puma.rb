# frozen_string_literal: true

# mastodon.md §1.7.
persistent_timeout ENV.fetch('PERSISTENT_TIMEOUT', 20).to_i

max_threads = ENV.fetch('MAX_THREADS', 5).to_i
threads ENV.fetch('MIN_THREADS', max_threads).to_i, max_threads

if ENV['SOCKET']
  bind "unix://#{ENV['SOCKET']}"
else
  bind "tcp://#{ENV.fetch('BIND', '127.0.0.1')}:#{ENV.fetch('PORT', 3000)}"
end

environment ENV.fetch('RAILS_ENV', 'development')
processes = ENV.fetch('WEB_CONCURRENCY', 2).to_i
workers processes
preload_app!
set_remote_address(proxy_protocol: :v1) if ENV['PROXY_PROTO_V1'] == 'true'

before_fork { ActiveRecord::Base.connection_handler.clear_all_connections! }
on_booted { StandIn::Weights.apply_memory('web_single') if processes.zero? }
on_worker_boot { StandIn::Weights.apply_memory('web_worker') }

plugin :tmp_restart

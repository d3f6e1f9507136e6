# frozen_string_literal: true

# mastodon.md §6: what programs ask an instance first. Cached for 3 minutes in
# Redis, and for 5 by whoever listens to Cache-Control.
class Api::InstancesController < ApplicationController
  before_action -> { expires_in 5.minutes, public: true }

  def v1
    response.headers['Deprecation'] = '@1668384000'
    render_cached_json('api/v1/instance') { InstanceDocument.v1 }
  end

  def v2
    render_cached_json('api/v2/instance') { InstanceDocument.v2 }
  end
end

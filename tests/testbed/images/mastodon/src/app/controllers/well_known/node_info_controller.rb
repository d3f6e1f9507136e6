# frozen_string_literal: true

# Cached for 30 minutes (mastodon.md §6).
class WellKnown::NodeInfoController < ApplicationController
  def index
    expires_in 3.days, public: true
    href = "https://#{Rails.configuration.x.web_domain}/nodeinfo/2.0"
    render json: { links: [{ rel: 'http://nodeinfo.diaspora.software/ns/schema/2.0', href: href }] }
  end

  def show
    expires_in 30.minutes, public: true
    render_cached_json('nodeinfo/2.0', expires_in: 30.minutes) { document }
  end

  private

  def document
    {
      version: '2.0',
      software: { name: 'mastodon', version: Mastodon::Version.to_s },
      protocols: ['activitypub'],
      services: { outbound: [], inbound: [] },
      usage: {
        users: { total: InstanceFacts.user_count, activeMonth: ActivityTracker.active_users(4), activeHalfyear: ActivityTracker.active_users(24) },
        localPosts: InstanceFacts.status_count,
      },
      openRegistrations: InstanceFacts.registrations_enabled?,
      metadata: { nodeName: Setting.site_title, nodeDescription: Setting.site_short_description },
    }
  end
end

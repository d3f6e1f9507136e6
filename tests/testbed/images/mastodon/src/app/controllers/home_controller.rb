# frozen_string_literal: true

# The page of the web client. In single-user mode the browser, not the server,
# goes on to the owner's profile (mastodon.md §2.5).
class HomeController < ApplicationController
  helper_method :initial_state

  def index
    render :index
  end

  def profile
    account = Account.without_internal.find_local!(params[:username])
    return respond_with_error(410) if account.suspended?

    render :index
  end

  private

  def initial_state
    { meta: meta, compose: {}, accounts: {}, settings: {} }
  end

  def meta
    {
      streaming_api_base_url: Rails.configuration.x.streaming_api_base_url,
      access_token: CurrentUser.activation(request)&.access_token&.token,
      me: current_user&.account_id&.to_s,
      domain: Rails.configuration.x.local_domain,
      title: Setting.site_title,
      version: Mastodon::Version.to_s,
      registrations_open: InstanceFacts.registrations_enabled?,
      single_user_mode: single_user_mode?,
      owner: (InstanceFacts.owner&.id&.to_s if single_user_mode?),
    }.compact
  end

  def single_user_mode?
    Rails.configuration.x.single_user_mode && Account.without_internal.exists?
  end
end

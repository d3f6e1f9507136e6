# frozen_string_literal: true

class ApplicationController < ActionController::Base
  protect_from_forgery with: :exception

  rescue_from ActionController::ParameterMissing, with: -> { respond_with_error(400) }
  rescue_from NotPermittedError, with: -> { respond_with_error(403) }
  rescue_from ActionController::RoutingError, ActiveRecord::RecordNotFound, with: -> { respond_with_error(404) }
  rescue_from ActionController::InvalidAuthenticityToken, with: -> { respond_with_error(422) }

  before_action :require_functional!, if: -> { current_user }
  before_action :refresh_session_ip, if: -> { current_user }
  before_action -> { response.cache_control.replace(private: true, no_store: true) }

  skip_before_action :verify_authenticity_token, only: :raise_not_found

  helper_method :current_user

  def raise_not_found
    raise ActionController::RoutingError, "No route matches #{params[:unmatched_route]}"
  end

  private

  def current_user
    return @current_user if defined?(@current_user)

    @current_user = CurrentUser.of(request)
  end

  # An unconfirmed, unapproved or disabled user sees nothing but the account page.
  def require_functional!
    redirect_to '/auth/edit' unless current_user.functional?
  end

  def refresh_session_ip
    activation = CurrentUser.activation(request)
    activation.update(ip: request.remote_ip) if activation.ip != request.remote_ip
  end

  def respond_with_error(code)
    reason = Rack::Utils::HTTP_STATUS_CODES[code]
    return render(json: { error: reason }, status: code) if request.path.start_with?('/api/') || request.format&.json?

    render 'errors/show', layout: 'application', status: code, formats: [:html], locals: { code: code, reason: reason }
  end

  # Renders once, then from Redis (mastodon.md §6).
  def render_cached_json(key, expires_in: 3.minutes)
    render body: Rails.cache.fetch("rendered/#{key}", expires_in: expires_in) { yield.to_json }, content_type: 'application/json'
  end
end

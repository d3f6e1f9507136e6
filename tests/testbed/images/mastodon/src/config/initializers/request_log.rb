# frozen_string_literal: true

# One line a request, as Mastodon's lograge writes it, instead of Rails' own lines.
require 'action_controller/log_subscriber'
require 'action_view/log_subscriber'

ActionController::LogSubscriber.detach_from :action_controller
ActionView::LogSubscriber.detach_from :action_view
Rails.application.config.middleware.delete Rails::Rack::Logger

ActiveSupport::Notifications.subscribe('process_action.action_controller') do |event|
  payload = event.payload
  status = payload[:status] || ActionDispatch::ExceptionWrapper.status_code_for_exception(payload[:exception]&.first.to_s)
  Rails.logger.info(
    "[#{payload[:headers]['action_dispatch.request_id']}] method=#{payload[:method]} path=#{payload[:path].split('?').first} " \
    "format=#{payload[:format]} controller=#{payload[:controller]} action=#{payload[:action]} " \
    "status=#{status} duration=#{event.duration.round(2)}"
  )
end

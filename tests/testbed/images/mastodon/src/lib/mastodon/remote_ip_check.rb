# frozen_string_literal: true

module Mastodon
  # mastodon.md §2.10: forwarding headers from a peer that is no trusted proxy
  # raise IpSpoofAttackError, which ends as a 500.
  module RemoteIpCheck
    def calculate_ip
      forwarded = @req.forwarded_for.present? || @req.client_ip.present?
      if @check_ip && forwarded && @proxies.none? { |proxy| proxy === @req.remote_addr }
        raise ActionDispatch::RemoteIp::IpSpoofAttackError,
              "IP spoofing attack?! client #{@req.remote_addr} is not a trusted proxy " \
              "HTTP_CLIENT_IP=#{@req.client_ip.inspect} HTTP_X_FORWARDED_FOR=#{@req.x_forwarded_for.inspect}"
      end

      super
    end
  end
end

ActiveSupport.on_load(:action_controller_base) do
  ActionDispatch::RemoteIp::GetIp.prepend(Mastodon::RemoteIpCheck)
end

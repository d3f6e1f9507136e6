# frozen_string_literal: true

# Signing in and its traces.
module User::SignIn
  def update_sign_in!(new_sign_in: false)
    now = Time.now.utc
    self.last_sign_in_at = current_sign_in_at || now
    self.current_sign_in_at = now
    self.sign_in_count += 1 if new_sign_in
    save(validate: false)
    ActivityTracker.record_login(id) if confirmed?
  end

  def activate_session(request)
    session_activations.create!(
      session_id: SecureRandom.hex, user_agent: request.user_agent.to_s, ip: request.remote_ip,
      access_token: OauthAccessToken.for_web(self)
    ).session_id
  end
end

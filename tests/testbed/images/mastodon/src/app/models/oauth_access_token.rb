# frozen_string_literal: true

# What the streaming server and the API know a signed-in user by.
class OauthAccessToken < ApplicationRecord
  belongs_to :application, class_name: 'OauthApplication', optional: true

  def self.for_web(user)
    create!(
      application: OauthApplication.find_by!(superapp: true), resource_owner_id: user.id,
      token: SecureRandom.urlsafe_base64(32), scopes: 'read write follow push'
    )
  end
end

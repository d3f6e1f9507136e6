# frozen_string_literal: true

# A browser in which somebody is signed in, with the client address Mastodon saw last.
class SessionActivation < ApplicationRecord
  belongs_to :user
  belongs_to :access_token, class_name: 'OauthAccessToken', optional: true

  after_destroy -> { access_token&.destroy }
end

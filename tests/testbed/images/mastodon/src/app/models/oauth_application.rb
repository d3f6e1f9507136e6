# frozen_string_literal: true

# A client program. The web interface is one, `superapp`.
class OauthApplication < ApplicationRecord
  validates :name, :redirect_uri, presence: true

  before_validation on: :create do
    self.uid ||= SecureRandom.urlsafe_base64(32)
    self.secret ||= SecureRandom.urlsafe_base64(32)
  end
end

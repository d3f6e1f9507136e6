# frozen_string_literal: true

namespace :mastodon do
  namespace :webpush do
    desc 'Generate VAPID key'
    task generate_vapid_key: :environment do
      key = OpenSSL::PKey::EC.generate('prime256v1')

      puts "VAPID_PRIVATE_KEY=#{Base64.urlsafe_encode64(key.private_key.to_s(2))}"
      puts "VAPID_PUBLIC_KEY=#{Base64.urlsafe_encode64(key.public_key.to_bn.to_s(2))}"
    end
  end
end

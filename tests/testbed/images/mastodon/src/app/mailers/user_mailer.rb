# frozen_string_literal: true

class UserMailer < ActionMailer::Base
  def confirmation_instructions(user)
    link = "https://#{Rails.configuration.x.web_domain}/auth/confirmation?confirmation_token=#{user.confirmation_token}"
    text(user.unconfirmed_email.presence || user.email, 'Mastodon: Confirmation instructions', "Verify: #{link}")
  end

  def welcome(user)
    text(user.email, 'Welcome to Mastodon', "Welcome, @#{user.account.username}!")
  end

  def new_pending_account(moderator, user)
    text(moderator.email, 'New account up for review', "@#{user.account.username} waits for approval.")
  end

  private

  def text(to, subject, body)
    mail(to: to, subject: subject) { |format| format.text { render plain: "#{body}\n" } }
  end
end

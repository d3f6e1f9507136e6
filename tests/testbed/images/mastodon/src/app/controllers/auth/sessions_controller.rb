# frozen_string_literal: true

# Signing in and out: a form with an authenticity token, then a signed session cookie.
class Auth::SessionsController < ApplicationController
  skip_before_action :require_functional!
  before_action -> { redirect_to root_path if current_user }, only: :new

  def new
    render :new
  end

  # Where strangers land who ask for a page that needs a sign-in.
  def required
    session[:user_return_to] = request.fullpath if request.get?
    redirect_to '/auth/sign_in'
  end

  def create
    credentials = params.require(:user).permit(:email, :password)
    user = User.find_by(email: credentials[:email].to_s.strip.downcase)
    return refuse(user) unless user&.valid_password?(credentials[:password].to_s)

    record(user, true)
    user.update_sign_in!(new_sign_in: true)
    start_session(user)
    redirect_to session.delete(:user_return_to) || root_path
  end

  def destroy
    CurrentUser.activation(request)&.destroy
    cookies.delete(CurrentUser::COOKIE)
    reset_session
    redirect_to '/auth/sign_in'
  end

  private

  def start_session(user)
    return_to = session[:user_return_to]
    reset_session
    session[:user_return_to] = return_to
    cookies.signed[CurrentUser::COOKIE] = {
      value: user.activate_session(request), expires: 1.year.from_now, httponly: true, same_site: :lax,
    }
  end

  def refuse(user)
    record(user, false) if user
    flash.now[:alert] = 'Invalid E-mail address or password.'
    render :new
  end

  def record(user, success)
    LoginActivity.create!(
      user: user, success: success, authentication_method: 'password', ip: request.remote_ip,
      failure_reason: (:invalid_password unless success), user_agent: request.user_agent
    )
  end
end

# frozen_string_literal: true

# Public sign-up, and the account page of a signed-in user.
class Auth::RegistrationsController < ApplicationController
  skip_before_action :require_functional!
  before_action -> { redirect_to root_path unless InstanceFacts.registrations_enabled? }, only: %i(new create)
  before_action -> { redirect_to '/auth/sign_in' unless current_user }, only: :edit

  def new
    @user = User.new
    render :new
  end

  def create
    @user = User.new(sign_up_params)
    @user.account = Account.new(username: params.dig(:user, :account_attributes, :username).to_s)
    @user.sign_up_ip = request.remote_ip
    return render(:new, status: :unprocessable_entity) unless @user.save

    redirect_to '/auth/sign_in'
  end

  def edit
    render :edit
  end

  private

  def sign_up_params
    params.require(:user).permit(:email, :password, :password_confirmation, :agreement)
  end
end

# frozen_string_literal: true

class Auth::ConfirmationsController < ApplicationController
  skip_before_action :require_functional!

  def show
    user = User.find_by(confirmation_token: params.require(:confirmation_token))
    return respond_with_error(404) if user.nil?

    user.confirm
    redirect_to '/auth/sign_in'
  end
end

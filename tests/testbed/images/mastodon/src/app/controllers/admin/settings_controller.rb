# frozen_string_literal: true

# The settings pages of the web administration. Saving writes the rows and
# refreshes the cache, as `Setting.x = …` does.
class Admin::SettingsController < ApplicationController
  before_action -> { raise NotPermittedError unless current_user&.can?(:manage_settings) }

  def show
    @form = Form::AdminSettings.new
  end

  def update
    @form = Form::AdminSettings.new(params.require(:form_admin_settings).permit(keys))
    return redirect_to("/admin/settings/#{params[:page]}") if @form.save

    render :show, status: :unprocessable_entity
  end

  private

  def keys
    Form::AdminSettings::PAGES.fetch(params[:page])
  end
  helper_method :keys
end

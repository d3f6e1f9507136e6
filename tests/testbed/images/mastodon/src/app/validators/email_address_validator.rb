# frozen_string_literal: true

# The address must be one plain address, without what mail systems read a second meaning into.
class EmailAddressValidator < ActiveModel::EachValidator
  def validate_each(record, attribute, value)
    plain = Mail::Address.new(value.strip).address == value.strip
    record.errors.add(attribute, :invalid) if !plain || value.match?(/[%,"]/)
  rescue Mail::Field::FieldError
    record.errors.add(attribute, :invalid)
  end
end

# frozen_string_literal: true

# Who was there in which week, counted in Redis.
module ActivityTracker
  WEEKS_KEPT = 13

  module_function

  def record_login(user_id)
    key = key_of(Time.now.utc)
    RedisConnection.with do |redis|
      redis.pfadd(key, user_id)
      redis.expire(key, WEEKS_KEPT.weeks.to_i)
    end
  end

  def active_users(weeks)
    keys = (0...weeks).map { |week| key_of(week.weeks.ago.utc) }
    RedisConnection.with { |redis| redis.pfcount(*keys) }
  end

  def key_of(time)
    "activity:logins:#{time.beginning_of_week.to_i}"
  end
end

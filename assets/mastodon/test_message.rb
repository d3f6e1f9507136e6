# frozen_string_literal: true

# Has Sidekiq send a message, with Mastodon's own settings, and follows the job to its end. The text is that of `rake mastodon:setup`.
# The values stand before this text, as JSON in TOOTSTRAP_GIVEN. The last line that begins with the marker tells what became of it. Redis keeps
# nothing of a job that succeeded, nor of one that was lost: both have ended.
require 'json'
require 'sidekiq/api'

module TootstrapMail
  MARKER = 'tootstrap-mail: '
  GIVEN = JSON.parse(TOOTSTRAP_GIVEN)
  # A process tells what it works on with each beat, every ten seconds; one that is gone is forgotten after a minute.
  LIMIT = 90

  module_function

  def run
    job = ActionMailer::Base.mail(to: GIVEN.fetch('to'), subject: GIVEN.fetch('subject'), body: GIVEN.fetch('body')).deliver_later
    { job: job.provider_job_id, **follow(job.provider_job_id, Sidekiq::Queue.new(job.queue_name)) }
  end

  def follow(id, queue)
    began, taken = Time.now.to_f, nil
    while Time.now.to_f - began < LIMIT
      sleep(0.25)
      failed = failure(id)
      return failed if failed
      next if queue.find_job(id)

      taken ||= Time.now.to_f
      return failure(id) || { fate: 'ended' } if ended?(id, taken)
    end
    { fate: taken ? 'working' : 'queued' }
  end

  # Every process has told since then what it works on, and it is not this. (A message that is taken is in that list a moment later.)
  def ended?(id, taken)
    processes = Sidekiq::ProcessSet.new.to_a
    processes.any? && processes.all? { |process| process['beat'] > taken + 1 } &&
      Sidekiq::WorkSet.new.none? { |_, _, work| work.job.jid == id }
  end

  # What was refused is not tried again: it was only a test.
  def failure(id)
    [Sidekiq::RetrySet.new, Sidekiq::DeadSet.new].each do |set|
      job = set.find_job(id) || next
      job.delete
      return { fate: 'failed', error: job['error_class'].to_s, message: job['error_message'].to_s[0, 500] }
    end
    nil
  end
end

$stdout.puts("\n#{TootstrapMail::MARKER}#{JSON.generate(TootstrapMail.run)}")
$stdout.flush

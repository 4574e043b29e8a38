/*
 * The commands, in the order in which their attributes appear in the ad. A command that stands here with to_later is known
 * from HTCondor and not used yet: it is kept as its attribute (or dropped, where the attribute is NULL), and the note says
 * what happens instead.
 */
#include "job/submit_parts.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

#define LATER(name_, attribute_, note_) { name_, attribute_, submit_to_later, .note = note_ }
#define DAYS_MAX (366LL * 86400)

const struct submit_command submit_commands[] = {
    { "universe", "JobUniverse", submit_to_universe, .always = true },
    { "executable", "Cmd", submit_to_executable, .always = true },
    { "arguments", NULL, submit_to_arguments, .aliases = "args arguments2" },
    { "environment", NULL, submit_to_environment, .aliases = "env environment2" },
    { "getenv", "GetEnvironment", submit_to_getenv, .aliases = "get_env" },
    { "container_image", "ContainerImage", submit_to_image },
    { "docker_image", "DockerImage", submit_to_image },
    { "docker_pull_policy", "DockerPullPolicy", submit_to_pull_policy },
    { "docker_override_entrypoint", "DockerOverrideEntrypoint", submit_to_override_entrypoint },
    { "container_target_dir", "ContainerTargetDir", submit_to_target_dir },
    { "initialdir", "Iwd", submit_to_iwd, .aliases = "initial_dir iwd job_iwd", .always = true },
    { "input", "In", submit_to_string, .aliases = "stdin" },
    { "output", "Out", submit_to_string, .aliases = "stdout" },
    { "error", "Err", submit_to_string, .aliases = "stderr" },
    { "log", "UserLog", submit_to_string },
    { "stream_output", "StreamOut", submit_to_bool },
    { "stream_error", "StreamErr", submit_to_bool },
    { "batch_name", "JobBatchName", submit_to_string },
    { "description", "JobDescription", submit_to_string },

    { "request_cpus", "RequestCpus", submit_to_cpus, .least = 1, .most = 1 << 20, .always = true },
    { "request_memory", "RequestMemory", submit_to_mebibytes, .aliases = "requestmemory" },
    { "request_disk", "RequestDisk", submit_to_kibibytes, .aliases = "requestdisk" },
    { "requirements", "Requirements", submit_to_condition },
    { "rank", "Rank", submit_to_number_expr, .aliases = "preferences" },
    { "priority", "JobPrio", submit_to_int, .aliases = "prio", .least = INT_MIN, .most = INT_MAX },
    { "hold", "JobStatus", submit_to_hold },

    { "should_transfer_files", "ShouldTransferFiles", submit_to_choice, .note = "YES|true NO|false IF_NEEDED" },
    { "when_to_transfer_output", "WhenToTransferOutput", submit_to_choice,
      .note = "ON_EXIT ON_EXIT_OR_EVICT|always ON_SUCCESS" },
    { "transfer_executable", "TransferExecutable", submit_to_bool },
    { "transfer_input_files", "TransferInput", submit_to_inputs },
    { "transfer_output_files", "TransferOutput", submit_to_outputs },
    { "transfer_checkpoint_files", "TransferCheckpoint", submit_to_outputs },

    { "checkpoint_exit_code", "SuccessCheckpointExitCode", submit_to_checkpoint_code, .least = 0, .most = 255 },
    { "checkpoint_method", "CheckpointMethod", submit_to_method },
    { "checkpoint_interval", "CheckpointIntervalUs", submit_to_interval },
    { "checkpoint_bundle", "CheckpointBundle", submit_to_bool },
    { "checkpoint_trial", "CheckpointTrial", submit_to_bool },
    { "criu_pipe", "WantCriuPipe", submit_to_bool },
    { "own_network", "OwnNetwork", submit_to_bool },
    { "writable_paths", "WritablePaths", submit_to_paths },
    { "keep_checkpoints", "KeepCheckpoints", submit_to_bool },
    { "kill_sig", "KillSig", submit_to_signal },
    { "remove_kill_sig", "RemoveKillSig", submit_to_signal },
    { "hold_kill_sig", "HoldKillSig", submit_to_signal },
    { "job_max_vacate_time", "JobMaxVacateTime", submit_to_seconds, .most = DAYS_MAX },
    { "kill_sig_timeout", "KillSigTimeout", submit_to_seconds, .most = DAYS_MAX },
    { "max_retries", "JobMaxRetries", submit_to_int, .least = 0, .most = INT_MAX },
    { "success_exit_code", "JobSuccessExitCode", submit_to_int, .least = 0, .most = 255 },
    { "retry_until", "JobRetryUntil", submit_to_retry_until },

    { "notification", "JobNotification", submit_to_notification },
    { "notify_user", "NotifyUser", submit_to_string },
    { "accounting_group", "AcctGroup", submit_to_account },
    { "accounting_group_user", "AcctGroupUser", submit_to_account },
    { "nice_user", "NiceUser", submit_to_bool },
    { "concurrency_limits", "ConcurrencyLimits", submit_to_limits },
    { "concurrency_limits_expr", "ConcurrencyLimits", submit_to_expr },
    LATER("request_gpus", "RequestGPUs", "no GPU is assigned"),
    { "leave_in_queue", "LeaveJobInQueue", submit_to_expr },
    { "keep_sandbox", "KeepSandbox", submit_to_bool },
    { "on_exit_hold", "OnExitHold", submit_to_condition },
    { "on_exit_hold_reason", "OnExitHoldReason", submit_to_reason },
    { "on_exit_hold_subcode", "OnExitHoldSubCode", submit_to_number_expr },
    { "on_exit_remove", "OnExitRemove", submit_to_condition },
    { "periodic_hold", "PeriodicHold", submit_to_condition },
    { "periodic_hold_reason", "PeriodicHoldReason", submit_to_reason },
    { "periodic_hold_subcode", "PeriodicHoldSubCode", submit_to_number_expr },
    { "periodic_release", "PeriodicRelease", submit_to_condition },
    { "periodic_release_reason", "PeriodicReleaseReason", submit_to_reason },
    { "periodic_remove", "PeriodicRemove", submit_to_condition },
    { "periodic_remove_reason", "PeriodicRemoveReason", submit_to_reason },
    { "periodic_vacate", "PeriodicVacate", submit_to_condition },
    { "periodic_vacate_reason", "PeriodicVacateReason", submit_to_reason },
    { "periodic_vacate_subcode", "PeriodicVacateSubCode", submit_to_number_expr },
    { "allowed_execute_duration", "AllowedExecuteDuration", submit_to_seconds, .least = 1, .most = DAYS_MAX },
    { "allowed_job_duration", "AllowedJobDuration", submit_to_seconds, .least = 1, .most = DAYS_MAX },
    LATER("max_job_retirement_time", "MaxJobRetirementTime", "the pool decides"),
    LATER("job_lease_duration", "JobLeaseDuration", "a runner that dies is noticed at once"),
    LATER("keep_claim_idle", "KeepClaimIdle", "slots are given out anew each time"),
    { "want_graceful_removal", "WantGracefulRemoval", submit_to_bool },
    LATER("checkpoint_destination", "CheckpointDestination", "checkpoints go to the pool's own store"),
    { "preserve_relative_paths", "PreserveRelativePaths", submit_to_bool },
    { "erase_output_and_error_on_restart", "EraseOutputAndErrorOnRestart", submit_to_bool },
    { "transfer_output_remaps", "TransferOutputRemaps", submit_to_remaps },
    { "output_destination", "OutputDestination", submit_to_destination },
    { "transfer_input", "TransferIn", submit_to_bool },
    { "transfer_output", "TransferOut", submit_to_bool },
    { "transfer_error", "TransferErr", submit_to_bool },
    { "stream_input", "StreamIn", submit_to_bool },
    { "max_materialize", "JobMaterializeLimit", submit_to_int, .least = 1, .most = INT_MAX },
    { "max_idle", "JobMaterializeMaxIdle", submit_to_int, .aliases = "materialize_max_idle", .least = 1, .most = INT_MAX },
    { "deferral_time", "DeferralTime", submit_to_number_expr },
    { "deferral_window", "DeferralWindow", submit_to_number_expr, .aliases = "cron_window" },
    { "deferral_prep_time", "DeferralPrepTime", submit_to_number_expr, .aliases = "cron_prep_time" },
    { "cron_minute", "CronMinute", submit_to_cron },
    { "cron_hour", "CronHour", submit_to_cron },
    { "cron_day_of_month", "CronDayOfMonth", submit_to_cron },
    { "cron_month", "CronMonth", submit_to_cron },
    { "cron_day_of_week", "CronDayOfWeek", submit_to_cron },
    LATER("next_job_start_delay", "NextJobStartDelay", "jobs start as fast as they can"),
    LATER("coresize", "CoreSize", "the limit of the pool's user holds"),
    LATER("image_size", "ImageSize", "it is measured"),
    LATER("log_xml", NULL, "the log is text"),
    LATER("dagman_log", NULL, "only 'log' is written"),
    { "manifest", "JobManifestDesired", submit_to_bool },
    { "manifest_dir", "JobManifestDir", submit_to_outputs },
    LATER("x509userproxy", "x509userproxy", "no proxy is handed over"),
    LATER("use_x509userproxy", NULL, "no proxy is handed over"),
    LATER("use_oauth_services", NULL, "no token is handed over"),
    LATER("run_as_owner", "RunAsOwner", "jobs always run as their owner"),
    LATER("load_profile", NULL, "there are no profiles to load"),
    LATER("copy_to_spool", NULL, "the executable is read when the job starts"),
    LATER("append_files", NULL, "files are transferred whole"),
    LATER("allow_startup_script", NULL, "any program may be the executable"),
    { "submit_event_notes", "SubmitEventNotes", submit_to_string },
    { "job_ad_information_attrs", "JobAdInformationAttrs", submit_to_attributes },
    LATER("skip_filechecks", NULL, "files are looked for at submission"),
};
const size_t submit_command_count = sizeof submit_commands / sizeof submit_commands[0];

static bool has_word(const char *words, const char *name)
{
    size_t want = strlen(name);
    while (words && *words) {
        size_t len = strcspn(words, " ");
        if (len == want && strncasecmp(words, name, len) == 0)
            return true;
        words += len + (words[len] == ' ');
    }
    return false;
}

const struct submit_command *submit_command_find(const char *name)
{
    for (size_t i = 0; i < submit_command_count; i++)
        if (strcasecmp(submit_commands[i].name, name) == 0 || has_word(submit_commands[i].aliases, name))
            return &submit_commands[i];
    return NULL;
}

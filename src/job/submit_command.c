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
    { "batch_name", "JobBatchName", submit_to_unquoted },
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
    { "allowed_execute_duration", "AllowedExecuteDuration", submit_to_allowed, .least = 1, .most = DAYS_MAX },
    { "allowed_job_duration", "AllowedJobDuration", submit_to_allowed, .least = 1, .most = DAYS_MAX },
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
    LATER("shell", NULL, "write 'executable = /bin/sh' and 'arguments = \"-c '...'\"'"),
    LATER("noop_job", NULL, "the program is run"),
    LATER("noop_job_exit_code", NULL, "the program is run"),
    LATER("noop_job_exit_signal", NULL, "the program is run"),
    LATER("skip_if_dataflow", NULL, "the program is run, also when its output is newer than its input"),
    LATER("stack_size", NULL, "the limit of the pool's user holds"),
    LATER("machine_count", NULL, "each job runs on this machine alone"),
    LATER("want_io_proxy", NULL, "no proxy for files is there"),
    LATER("docker_network_type", NULL, "the machine's network is used, or none with 'own_network = true'"),
    LATER("container_service_names", NULL, "no ports are passed on; the job listens on the machine's"),
    LATER("container_is_common", NULL, "an image is kept once for each owner"),
    LATER("transfer_container", NULL, "the image is read when the job starts"),
    LATER("mount_under_scratch", NULL, "/tmp is the job's own when it is checkpointed transparently"),
    LATER("want_job_networking", NULL, "the machine's network is used, or none with 'own_network = true'"),
    LATER("encrypt_execute_directory", NULL, "the sandbox is readable to its owner only"),
    LATER("encrypt_input_files", NULL, "files do not leave this machine"),
    LATER("encrypt_output_files", NULL, "files do not leave this machine"),
    LATER("dont_encrypt_input_files", NULL, "files do not leave this machine"),
    LATER("dont_encrypt_output_files", NULL, "files do not leave this machine"),
    LATER("max_transfer_input_mb", NULL, "'request_disk' is what bounds a job"),
    LATER("max_transfer_output_mb", NULL, "'request_disk' is what bounds a job"),
    LATER("public_input_files", NULL, "name the files in 'transfer_input_files'"),
    LATER("output_directory", NULL, "write 'output_destination'"),
    LATER("remote_initialdir", NULL, "the sandbox is where the job works"),
    LATER("transfer_plugins", NULL, "file:, http: and https: URLs are fetched, and no others"),
    LATER("use_scitokens", NULL, "no token is handed over"),
    LATER("scitokens_file", NULL, "no token is handed over"),
    LATER("delegate_job_gsi_credentials_lifetime", NULL, "no proxy is handed over"),
    LATER("email_attributes", NULL, "the pool's notify_command can ask for any attribute"),
    LATER("submit_event_user_notes", NULL, "write 'submit_event_notes'"),
    LATER("job_machine_attrs", NULL, "the machine's attributes are not noted with the job"),
    LATER("job_machine_attrs_history_length", NULL, "the machine's attributes are not noted with the job"),
    LATER("ulog_execute_attrs", NULL, "the machine's attributes are not noted with the job"),
    LATER("match_list_length", NULL, "there is one machine"),
    LATER("retry_request_memory", NULL, "write 'request_memory' as an expression over MemoryUsage"),
    LATER("retry_request_memory_max", NULL, "write 'request_memory' as an expression over MemoryUsage"),
    LATER("retry_request_memory_increase", NULL, "write 'request_memory' as an expression over MemoryUsage"),
    LATER("retry_request_disk", NULL, "write 'request_disk' as an expression over DiskUsage"),
    LATER("require_gpus", NULL, "no GPU is assigned"),
    LATER("gpus_minimum_capability", NULL, "no GPU is assigned"),
    LATER("gpus_minimum_memory", NULL, "no GPU is assigned"),
    LATER("gpus_minimum_runtime", NULL, "no GPU is assigned"),
    LATER("cuda_version", NULL, "no GPU is assigned"),
    LATER("starter_debug", NULL, "'stint show' and the event log tell what became of a job"),
    LATER("starter_log", NULL, "'stint show' and the event log tell what became of a job"),
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

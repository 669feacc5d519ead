"""Settings of pgAdmin, which reads them as its config_local.py: nothing is kept, and no other host is asked."""

import logging

DATA_DIR = "/tmp/pgadmin"  # noqa: S108 (a volume of the pod)
LOG_FILE = "/dev/null"
CONSOLE_LOG_LEVEL = logging.WARNING
#: The one server takes its password from the environment, so that nobody saves one.
MASTER_PASSWORD_REQUIRED = False
ALLOW_SAVE_PASSWORD = False
AUTO_DISCOVER_SERVERS = False
SUPPORT_SSH_TUNNEL = False
UPGRADE_CHECK_ENABLED = False
SHOW_GRAVATAR_IMAGE = False
LLM_ENABLED = False
#: A second factor would need mail, or be lost with the pod.
MFA_ENABLED = False
#: The password is too long to be guessed, and a locked account would stay locked.
MAX_LOGIN_ATTEMPTS = 0

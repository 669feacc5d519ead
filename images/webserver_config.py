"""How people log in to Airflow: at the identity provider that `[readmission] log_in` names, else with passwords.

Airflow reads this file as $AIRFLOW_HOME/webserver_config.py. The setting is JSON: issuer, client_id, scopes,
user_claim, groups_claim, and the groups of viewer, operator and approver; READMISSION_LOG_IN_SECRET holds the client's
secret. A person's name in Airflow, and so in our ledgers, is the token's claim; the groups of each log-in decide the
role anew.
"""

import json
import os
from typing import Any

from airflow.configuration import conf
from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride
from airflow.providers.fab.auth_manager.views.auth_oauth import CustomAuthOAuthView
from airflow.providers.fab.www.security import permissions
from flask_appbuilder import expose
from flask_appbuilder.const import AUTH_DB, AUTH_OAUTH

WTF_CSRF_ENABLED = True
AUTH_TYPE = AUTH_DB

_SETTING: dict[str, Any] = json.loads(conf.get("readmission", "log_in", fallback="") or "{}")
_PROVIDER = "oidc"
#: DAGs that ask for an approval: to answer, Airflow wants the right to edit the DAG too, which only pauses it.
_APPROVED = ("readmission_promote", "readmission_backfill")
_VIEW = FabAirflowSecurityManagerOverride.VIEWER_PERMISSIONS
_ANSWER = [
    (permissions.ACTION_CAN_EDIT, permissions.RESOURCE_HITL_DETAIL),
    (permissions.ACTION_CAN_ACCESS_MENU, permissions.RESOURCE_HITL_DETAIL),
]
_OPERATE = [
    permission
    for permission in (
        *FabAirflowSecurityManagerOverride.USER_PERMISSIONS,
        *FabAirflowSecurityManagerOverride.OP_PERMISSIONS,
    )
    if permission not in _ANSWER
]


class LogInView(CustomAuthOAuthView):
    """Log-in that goes to the only identity provider at once."""

    @expose("/login/")
    @expose("/login/<provider>")
    def login(self, provider: str = _PROVIDER) -> Any:
        """Redirect to the identity provider."""
        return super().login(provider)


class LogIn(FabAirflowSecurityManagerOverride):
    """Airflow's users as the identity provider describes them, and the roles that they get."""

    authoauthview = LogInView
    ROLE_CONFIGS = (
        *FabAirflowSecurityManagerOverride.ROLE_CONFIGS,
        {"role": "Operator", "perms": [*_VIEW, *_OPERATE]},
        {
            "role": "Approver",
            "perms": [*_VIEW, *_ANSWER, *((permissions.ACTION_CAN_EDIT, f"DAG:{dag}") for dag in _APPROVED)],
        },
    )

    def get_oauth_user_info(self, provider: str, resp: dict[str, Any]) -> dict[str, Any]:
        """Return the person of a token; what it does not tell, the provider's userinfo does."""
        claims = dict(resp.get("userinfo") or {})
        name, groups = _SETTING["user_claim"], _SETTING["groups_claim"]
        if not claims.keys() >= {name, groups}:
            claims = {**self.oauth_remotes[provider].userinfo(token=resp), **claims}
        return {
            "username": claims[name],
            "email": claims.get("email", ""),
            "first_name": claims.get("given_name", ""),
            "last_name": claims.get("family_name", ""),
            "role_keys": claims.get(groups, []),
        }


if _SETTING:
    AUTH_TYPE = AUTH_OAUTH
    SECURITY_MANAGER_CLASS = LogIn
    AUTH_USER_REGISTRATION = True
    # Who is in none of the groups comes in and may see nothing.
    AUTH_USER_REGISTRATION_ROLE = "Public"
    AUTH_ROLES_SYNC_AT_LOGIN = True
    _ROLES = (("viewer", "Viewer"), ("operator", "Operator"), ("approver", "Approver"))
    AUTH_ROLES_MAPPING: dict[str, list[str]] = {}
    for _group, _role in _ROLES:
        AUTH_ROLES_MAPPING.setdefault(_SETTING["groups"][_group], []).append(_role)
    OAUTH_PROVIDERS = [
        {
            "name": _PROVIDER,
            "token_key": "access_token",
            "remote_app": {
                "client_id": _SETTING["client_id"],
                "client_secret": os.environ.get("READMISSION_LOG_IN_SECRET", ""),
                "server_metadata_url": f"{_SETTING['issuer'].rstrip('/')}/.well-known/openid-configuration",
                "client_kwargs": {"scope": _SETTING["scopes"], "code_challenge_method": "S256"},
            },
        }
    ]

"""Django's settings, all read from the environment.

Without any variable this is the embedded site: SQLite in `PODIUM_DATA_DIR`, django-q2 over the same database, sockets
fed inside the process. `DATABASE_URL` and `REDIS_URL` choose PostgreSQL and Redis. `PODIUM_ENV=production` refuses to
start where the site would not be safe (config/production.py). The platform's own settings are `PODIUM`.
"""

from __future__ import annotations

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from config import logs, production, storage
from config.podium import PodiumSettings, SettingUnreadable

BASE_DIR = Path(__file__).resolve().parent.parent

try:
    PODIUM = PodiumSettings.from_environment(os.environ)
except SettingUnreadable as error:
    raise ImproperlyConfigured(str(error)) from error

DEBUG = os.environ.get("DEBUG", "").lower() in {"1", "true", "yes", "on"}
SECRET_KEY = os.environ.get("SECRET_KEY") or storage.local_secret_key(PODIUM)
# Secrets of teams are encrypted with this key; by default with one that is derived from SECRET_KEY.
SITE_KEY = os.environ.get("SITE_KEY") or SECRET_KEY
# Tasks in the queue are signed with this key and no other: who learns the one that signs sessions cannot make any.
TASK_QUEUE_KEY = os.environ.get("TASK_QUEUE_KEY") or storage.derived_key(SECRET_KEY, "task queue")
ALLOWED_HOSTS = storage.allowed_hosts(PODIUM, os.environ.get("ALLOWED_HOSTS", ""))
CSRF_TRUSTED_ORIGINS = [origin for origin in os.environ.get("CSRF_TRUSTED_ORIGINS", "").split(",") if origin]
DATABASE_URL = os.environ.get("DATABASE_URL", "")
REDIS_URL = os.environ.get("REDIS_URL", "")

if PODIUM.production:
    production.refuse_unsafe(podium=PODIUM, debug=DEBUG, secret_key=SECRET_KEY, hosts=ALLOWED_HOSTS)

INSTALLED_APPS = [
    "daphne",
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "django_q",
    "django_structlog",
    "orchestration",
    "dashboard",
    "simulation",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "config.security.SecurityHeadersMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Stores: the database is the truth, the others carry wake-ups.
DATABASES = {"default": storage.database(PODIUM, DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": storage.cache(PODIUM, REDIS_URL)}
CHANNEL_LAYERS = {"default": storage.channel_layer(PODIUM, REDIS_URL)}
Q_CLUSTER = storage.task_queue(PODIUM, REDIS_URL)

# People
AUTHENTICATION_BACKENDS = ["config.authentication.PeopleBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"

# The admin site's look
UNFOLD = {"SITE_TITLE": "Podium", "SITE_HEADER": "Podium", "SHOW_HISTORY": False, "SHOW_VIEW_ON_SITE": False}

# Requests and answers
DATA_UPLOAD_MAX_MEMORY_SIZE = PODIUM.request_bytes
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if PODIUM.production:
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
    SECURE_HSTS_SECONDS = 31536000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    if os.environ.get("BEHIND_TLS_PROXY", "").lower() in {"1", "true", "yes", "on"}:
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# Texts, times, files
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
STATIC_URL = "/static/"
STATIC_ROOT = PODIUM.data_dir / "static" if PODIUM.production else None
STORAGES = storage.static_storages(PODIUM)
WHITENOISE_USE_FINDERS = not PODIUM.production
WHITENOISE_AUTOREFRESH = False
WHITENOISE_ALLOW_ALL_ORIGINS = False

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": None,
}
# What the document says and leaves out stands in orchestration/api/schema.py; the check would judge another document.
SPECTACULAR_SETTINGS = {
    "ENABLE_DJANGO_DEPLOY_CHECK": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

UNFOLD = {"SITE_TITLE": "Podium", "SITE_HEADER": "Podium", "SITE_URL": "/", "SHOW_HISTORY": True}

LOGGING = logs.logging_config(PODIUM)
logs.configure_structlog()

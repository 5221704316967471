{% snapshot users_snapshot %}
    -- What the warehouse said about each user, and when it said so (system time; dim_users has valid time).
    {{ config(
        unique_key='user_id',
        strategy='check',
        check_cols=['email', 'signed_up_at'],
        hard_deletes='invalidate',
    ) }}

    select
        user_id,
        email,
        signed_up_at
    {% if flags.EMPTY and load_relation(this) %}
        -- Nothing is read: what is recorded says of itself that it has not changed.
        from {{ this }}
        where recorded_to is null
    {% else %}
        from {{ ref('dim_users') }}
        where is_current
    {% endif %}
{% endsnapshot %}
